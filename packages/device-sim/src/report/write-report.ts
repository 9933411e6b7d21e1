import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { serialise } from './html.ts'
import { renderReport } from './render-report.ts'
import type { RunReport } from './run-report.ts'

/** `report.json` for programs and `report.html` for people; tells where they are. */
export async function writeReport(directory: string, report: RunReport): Promise<{ json: string; html: string }> {
  await mkdir(directory, { recursive: true })
  const files = { json: join(directory, 'report.json'), html: join(directory, 'report.html') }
  await writeFile(files.json, `${serialise(report, 1)}\n`)
  await writeFile(files.html, renderReport(report))
  return files
}
