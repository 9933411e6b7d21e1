import { MusterError } from '@muster/contracts'
import { z } from 'zod'

const Position = z
  .array(z.union([z.string().max(128), z.number()]))
  .min(1)
  .max(8)

/** Where a page ended; opaque to the caller. */
export function encodeCursor(position: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url')
}

export function decodeCursor<Key extends z.ZodType>(cursor: string | undefined, key: Key): z.output<Key> | undefined {
  if (cursor === undefined) return undefined
  try {
    return key.parse(Position.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString())))
  } catch (cause) {
    throw new MusterError('request-invalid', 'the cursor is not one of this list', { cause })
  }
}

/** Takes one row more than asked for, which tells whether another page follows. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  present: (row: Row) => Item,
  position: (row: Row) => readonly (string | number)[],
): { items: Item[]; next: string | null } {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    items: shown.map(present),
    next: rows.length > limit && last !== undefined ? encodeCursor(position(last)) : null,
  }
}
