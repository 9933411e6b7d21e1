import { refusals } from '@muster/db'
import { and, desc, eq, inArray, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { findDevice } from '../devices/find.ts'
import type { DeviceTarget } from '../devices/transition.ts'
import { decodeCursor, toPage } from '../http/paging.ts'
import { presentRefusal } from './present.ts'

/**
 * The newest first, with what others have claimed to be it, in no fleet where they showed no certificate.
 * A device that was refused before it could enrol has refusals and no row of its own.
 */
export async function listRefusalsOfDevice(
  ctx: Pick<Context, 'db'>,
  target: DeviceTarget,
  page: { limit: number; cursor?: string | undefined },
) {
  const after = decodeCursor(
    page.cursor,
    z.tuple([z.iso.datetime(), z.string(), z.string(), z.string(), z.enum(['true', 'false'])]),
  )
  const { fleet, code, address, proven, lastAt } = refusals
  const rows = await ctx.db
    .select()
    .from(refusals)
    .where(
      and(
        inArray(fleet, [target.fleet, '']),
        eq(refusals.device, target.id),
        after &&
          sql`(${lastAt}, ${fleet}, ${code}, ${address}, ${proven}) < (${after[0]}::timestamptz, ${after[1]}::text, ${after[2]}::text, ${after[3]}::text, ${after[4]}::boolean)`,
      ),
    )
    .orderBy(desc(lastAt), desc(fleet), desc(code), desc(address), desc(proven))
    .limit(page.limit + 1)
  if (rows.length === 0) await findDevice(ctx, target)
  return toPage(rows, page.limit, presentRefusal, (row) => [
    row.lastAt.toISOString(),
    row.fleet,
    row.code,
    row.address,
    String(row.proven),
  ])
}
