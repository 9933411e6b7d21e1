import { styleText } from 'node:util'
import { type Columns, formatFields, formatTable } from './output/table.ts'
import type { GlobalOptions } from './settings.ts'

/** Where a command writes: results to stdout, everything else to stderr. */
export interface Io {
  stdout: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  now(): Date
}

export function print(io: Io, text: string): void {
  io.stdout.write(`${text}\n`)
}

export function notify(io: Io, text: string): void {
  io.stderr.write(`${text}\n`)
}

export function printRows<Row>(io: Io, options: GlobalOptions, rows: readonly Row[], columns: Columns<Row>): void {
  const [heading = '', ...lines] = formatTable(rows, columns).split('\n')
  const table = () => [styleText('bold', heading, { stream: io.stdout }), ...lines].join('\n')
  print(io, options.json ? JSON.stringify(rows, null, 2) : table())
}

export function printFields(io: Io, options: GlobalOptions, value: unknown, fields: Record<string, string>): void {
  print(io, options.json ? JSON.stringify(value, null, 2) : formatFields(fields))
}
