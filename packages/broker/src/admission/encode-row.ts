import type { RegistryRow } from './judge.ts'
import type { LookupRow } from './registry.ts'

/** What belongs to one answer, not to what was answered. */
const transient: readonly string[] = [
  'changePending',
  'readAt',
  'isVouchedFor',
  'elsewhere',
  'isListedHere',
] satisfies (keyof LookupRow)[]

type Reference = { document: number } | { date: number }

/** A row as text. Objects, policies that is, are kept once for all the rows that have them, and referred to. */
export function encodeRow(row: LookupRow, addDocument: (text: string) => number): string {
  const columns = Object.entries(row).filter(([name]) => !transient.includes(name))
  const encode = (value: unknown): unknown => {
    if (value instanceof Date) return { date: value.getTime() } satisfies Reference
    if (typeof value === 'object' && value !== null)
      return { document: addDocument(JSON.stringify(value)) } satisfies Reference
    return value
  }
  return JSON.stringify(Object.fromEntries(columns.map(([name, value]) => [name, encode(value)])))
}

export function decodeRow(text: string, documents: readonly string[]): RegistryRow {
  const decode = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value
    const reference = value as Reference
    return 'date' in reference ? new Date(reference.date) : JSON.parse(documents[reference.document] ?? 'null')
  }
  const columns = Object.entries(JSON.parse(text) as Record<string, unknown>)
  return Object.fromEntries(columns.map(([name, value]) => [name, decode(value)])) as unknown as RegistryRow
}
