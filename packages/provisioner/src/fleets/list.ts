import type { Fleet } from '@muster/contracts'
import { fleets } from '@muster/db'
import { asc, gt } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { decodeCursor, toPage } from '../http/paging.ts'

export async function listFleets({ db }: Pick<Context, 'db'>, page: { limit: number; cursor?: string | undefined }) {
  const after = decodeCursor(page.cursor, z.tuple([z.string()]))
  const rows = await db
    .select()
    .from(fleets)
    .where(after && gt(fleets.name, after[0]))
    .orderBy(asc(fleets.name))
    .limit(page.limit + 1)
  return toPage(rows, page.limit, presentFleet, (row) => [row.name])
}

export const presentFleet = (row: typeof fleets.$inferSelect): Fleet => ({
  ...row,
  createdAt: row.createdAt.toISOString(),
})
