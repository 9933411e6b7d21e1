import { printable } from '@muster/contracts'

/** A column's heading, and what stands in it. */
export type Columns<Row> = Record<string, (row: Row) => string>

/** Plain aligned text: columns two spaces apart, no frame, so that `awk` and people both can read it. */
export function formatTable<Row>(rows: readonly Row[], columns: Columns<Row>): string {
  const lines = [
    Object.keys(columns).map((heading) => heading.toUpperCase()),
    ...rows.map((row) => Object.values(columns).map((cell) => printable(cell(row)) || '-')),
  ]
  return align(lines)
}

/** One thing, a line a field. */
export function formatFields(fields: Record<string, string>): string {
  return align(Object.entries(fields).map(([name, value]) => [name, printable(value) || '-']))
}

function align(lines: readonly string[][]): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
