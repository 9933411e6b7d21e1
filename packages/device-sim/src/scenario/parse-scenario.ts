import { MusterError } from '@muster/contracts'
import { LineCounter, parseDocument, stringify } from 'yaml'
import { describeIssues, type ScenarioProblem } from './describe-issues.ts'
import { resizeScenario, type Size } from './resize-scenario.ts'
import { Scenario } from './schema.ts'

/** Far more than people write; less than what makes a parser think for seconds. */
const largestText = 65_536

export interface ParsedScenario {
  scenario: Scenario
  /** As it is played: parsed again, without a size, it is the same scenario. */
  yaml: string
}

/**
 * A scenario at the size it is played.
 * @throws MusterError request-invalid, with a line for each problem
 */
export function parseScenario(text: string, size: Size = {}): ParsedScenario {
  const read = readScenario(text, size)
  if ('scenario' in read) return read
  const lines = read.problems.map(({ line, column, path, message, hint }) =>
    [`${line}:${column}`, path, message, hint && `(${hint})`].filter(Boolean).join(' '),
  )
  throw new MusterError('request-invalid', `not a scenario:\n${lines.join('\n')}`)
}

export function readScenario(text: string, size: Size = {}): ParsedScenario | { problems: ScenarioProblem[] } {
  if (Buffer.byteLength(text) > largestText)
    return { problems: [{ line: 1, column: 1, path: '', message: `is larger than ${largestText / 1_024} KiB` }] }
  const lineCounter = new LineCounter()
  try {
    // A class may build on another: `<<: *thermostat`.
    const document = parseDocument(text, { lineCounter, prettyErrors: false, merge: true })
    if (document.errors.length > 0) {
      const problems = document.errors.slice(0, 3).map(({ pos, message }) => {
        const { line, col } = lineCounter.linePos(pos[0])
        return { line, column: col, path: '', message: `is not YAML: ${message}` }
      })
      return { problems }
    }
    const written: unknown = document.toJS({ maxAliasCount: 100 })
    const parsed = Scenario.safeParse(written)
    if (!parsed.success) return { problems: describeIssues(parsed.error.issues, document, lineCounter) }
    const resized = resizeScenario(parsed.data, written, size)
    if (!resized) return { scenario: parsed.data, yaml: text }
    if ('problem' in resized) return { problems: [{ line: 1, column: 1, path: 'devices', message: resized.problem }] }
    return { scenario: Scenario.parse(resized.written), yaml: stringify(resized.written) }
  } catch (error) {
    // Aliases that multiply, or nesting without end: the yaml package throws for both.
    if (error instanceof ReferenceError || error instanceof RangeError)
      return { problems: [{ line: 1, column: 1, path: '', message: `cannot be read: ${error.message}` }] }
    throw error
  }
}
