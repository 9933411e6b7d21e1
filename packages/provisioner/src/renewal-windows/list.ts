import { renewalWindows } from '@muster/db'
import { desc, lt } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { decodeCursor, toPage } from '../http/paging.ts'
import { presentWindow } from './present.ts'

export async function listRenewalWindows(
  { db }: Pick<Context, 'db'>,
  page: { limit: number; cursor?: string | undefined },
) {
  const before = decodeCursor(page.cursor, z.tuple([z.int()]))
  const rows = await db
    .select()
    .from(renewalWindows)
    .where(before && lt(renewalWindows.id, before[0]))
    .orderBy(desc(renewalWindows.id))
    .limit(page.limit + 1)
  return toPage(rows, page.limit, presentWindow, ({ id }) => [id])
}
