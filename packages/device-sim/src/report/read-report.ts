import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MusterError } from '@muster/contracts'
import { z } from 'zod'
import { RunReport, reportVersion } from './run-report.ts'

/** An hour by the second has 3 MB. */
const largestBytes = 256 * 1_024 ** 2
const problemsShown = 5

const Versioned = z.looseObject({ version: z.int() })

/**
 * A report that a run has left, from here or from elsewhere: the file, or the directory that it is in.
 * @throws MusterError request-invalid
 */
export async function readReport(path: string): Promise<RunReport> {
  const found = await stat(path)
  if (found.isDirectory()) return readReport(join(path, 'report.json'))
  if (found.size > largestBytes) throw invalid(`has ${found.size} bytes, and more than ${largestBytes} are not read`)
  return parseReport(await readFile(path, 'utf8'))
}

export function parseReport(text: string): RunReport {
  const written = parseJson(text)
  const versioned = Versioned.safeParse(written)
  if (!versioned.success) throw invalid('has no version, so it is none')
  if (versioned.data.version !== reportVersion)
    throw invalid(`is of version ${versioned.data.version}; this program reads version ${reportVersion}`)
  const report = RunReport.safeParse(written)
  if (report.success) return report.data
  const problems = report.error.issues
    .slice(0, problemsShown)
    .map(({ path, message }) => `${path.join('.')}: ${message}`)
  throw invalid(`is damaged, or not from here: ${problems.join('; ')}`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw invalid('is not JSON', cause)
  }
}

const invalid = (what: string, cause?: unknown) => new MusterError('request-invalid', `the report ${what}`, { cause })
