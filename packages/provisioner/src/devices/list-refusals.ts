import type { Refusal } from '@muster/contracts'
import { refusals } from '@muster/db'
import { and, desc, eq, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { decodeCursor, toPage } from '../http/paging.ts'
import { findDevice } from './find.ts'
import type { DeviceTarget } from './transition.ts'

/** The newest first. A device that was refused before it could enrol has refusals and no row of its own. */
export async function listRefusals(
  ctx: Pick<Context, 'db'>,
  target: DeviceTarget,
  page: { limit: number; cursor?: string | undefined },
) {
  const after = decodeCursor(page.cursor, z.tuple([z.iso.datetime(), z.string(), z.string()]))
  const rows = await ctx.db
    .select()
    .from(refusals)
    .where(
      and(
        eq(refusals.fleet, target.fleet),
        eq(refusals.device, target.id),
        after &&
          sql`(${refusals.lastAt}, ${refusals.code}, ${refusals.address}) < (${after[0]}::timestamptz, ${after[1]}::text, ${after[2]}::text)`,
      ),
    )
    .orderBy(desc(refusals.lastAt), desc(refusals.code), desc(refusals.address))
    .limit(page.limit + 1)
  if (rows.length === 0) await findDevice(ctx, target)
  return toPage(rows, page.limit, presentRefusal, (row) => [row.lastAt.toISOString(), row.code, row.address])
}

function presentRefusal({ fleet: _, device: __, ...row }: typeof refusals.$inferSelect): Refusal {
  return { ...row, firstAt: row.firstAt.toISOString(), lastAt: row.lastAt.toISOString() }
}
