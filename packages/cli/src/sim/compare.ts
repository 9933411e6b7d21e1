import { writeFile } from 'node:fs/promises'
import { styleText } from 'node:util'
import { MusterError } from '@muster/contracts'
import {
  type Comparison,
  changeWords,
  compareReports,
  type Figure,
  findRegressions,
  formatDifference,
  formatFigure,
  formatPercent,
  type RunReport,
  readReport,
  renderComparison,
} from '@muster/device-sim'
import { CliError, exitCodes } from '../exit.ts'
import { type Io, notify, print, printRows } from '../io.ts'
import { formatTable } from '../output/table.ts'
import type { Cli, GlobalOptions } from '../settings.ts'

interface CompareOptions extends GlobalOptions {
  html?: string
  failOn?: number
}

/** `muster sim compare`. @throws CliError where `--fail-on` finds something */
export async function compareRuns({ io }: Cli, options: CompareOptions, files: [string, string]): Promise<void> {
  const [a, b] = await Promise.all([load(files[0]), load(files[1])])
  const comparison = compareReports(a, b)
  const regressions = options.failOn === undefined ? [] : findRegressions(comparison, options.failOn)
  if (options.json) printJson(io, comparison, regressions)
  else printComparison(io, options, comparison)
  if (options.html !== undefined) {
    await write(options.html, renderComparison(a, b))
    notify(io, `both are in ${options.html}`)
  }
  if (regressions.length > 0) throw new CliError(`b is worse: ${regressions.join('; ')}`)
}

async function load(file: string): Promise<RunReport> {
  try {
    return await readReport(file)
  } catch (cause) {
    const reason =
      cause instanceof MusterError ? cause.detail : `cannot be read (${(cause as NodeJS.ErrnoException).code})`
    throw new CliError(`${file}: ${reason}`, { exitCode: exitCodes.usage, cause })
  }
}

async function write(file: string, page: string): Promise<void> {
  await writeFile(file, page).catch((cause: NodeJS.ErrnoException) => {
    throw new CliError(`${file} cannot be written (${cause.code})`, { exitCode: exitCodes.usage, cause })
  })
}

function printJson(io: Io, { a, b, differences, figures }: Comparison, regressions: readonly string[]): void {
  const about = ({ run, verdict }: RunReport) => ({ run, verdict })
  const plain = figures.map(({ group, name, a, b, share = null, change }) => ({
    group,
    name,
    a: a ?? null,
    b: b ?? null,
    share,
    change,
  }))
  print(io, JSON.stringify({ a: about(a), b: about(b), differences, figures: plain, regressions }, null, 2))
}

/** First what makes them different experiments, then the verdicts, then the figures. */
function printComparison(io: Io, options: GlobalOptions, { a, b, differences, figures }: Comparison): void {
  const isShort = ({ a, b }: Comparison['differences'][number]) => !`${a}${b}`.includes('\n')
  const told = differences.filter(isShort)
  const lines = differences.some((one) => !isShort(one))
    ? ['their texts differ in several lines: --html shows them']
    : []
  if (differences.length === 0) print(io, 'The same scenario, seed, machine and platform.\n')
  else {
    const table = formatTable(told, { differs: ({ what }) => what, a: (one) => one.a, b: (one) => one.b })
    print(io, `${[...(told.length > 0 ? [table] : []), ...lines].join('\n')}\n`)
  }
  printRows(io, options, [...verdictRows(a, b), ...figures.map(figureRow)], {
    figure: ([name]) => name,
    a: ([, one]) => one,
    b: ([, , one]) => one,
    difference: ([, , , one]) => one,
    '%': ([, , , , one]) => one,
    'b is': ([, , , , , one]) => one,
  })
  const count = (change: Figure['change']) => figures.filter((figure) => figure.change === change).length
  const summary = `\nB is better in ${count('better')} figures, worse in ${count('worse')}, the same in ${count('same')}.`
  print(io, styleText('bold', summary, { stream: io.stdout }))
}

type Row = [string, string, string, string, string, string]

function verdictRows(a: RunReport, b: RunReport): Row[] {
  const word = ({ verdict }: RunReport) => (verdict.passed ? 'passed' : 'failed')
  const change = a.verdict.passed === b.verdict.passed ? 'same' : b.verdict.passed ? 'better' : 'worse'
  return [['verdict', word(a), word(b), '', '', change]]
}

function figureRow(figure: Figure): Row {
  const { name, a, b, change } = figure
  return [
    name,
    formatFigure(a, figure),
    formatFigure(b, figure),
    formatDifference(figure),
    formatPercent(figure),
    changeWords[change],
  ]
}
