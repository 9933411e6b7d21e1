import type { RefusalsQuery } from '@muster/contracts'
import { refusals } from '@muster/db'
import { and, desc, eq, gte, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { decodeCursor, toPage } from '../http/paging.ts'
import { presentRefusal } from './present.ts'

const Flag = z.enum(['true', 'false'])
const Cursor = z.tuple([Flag, z.iso.datetime(), z.string(), z.string(), z.string(), z.string(), Flag])

/** Of everybody, strangers among them: alerts first, then the newest. */
export async function listRefusals(ctx: Pick<Context, 'db'>, query: RefusalsQuery) {
  const after = decodeCursor(query.cursor, Cursor)
  const { fleet, device, code, address, proven, alert, lastAt } = refusals
  const rows = await ctx.db
    .select()
    .from(refusals)
    .where(
      and(
        query.fleet === undefined ? undefined : eq(fleet, query.fleet),
        query.device === undefined ? undefined : eq(device, query.device),
        query.code === undefined ? undefined : eq(code, query.code),
        query.address === undefined ? undefined : eq(address, query.address),
        query.since === undefined ? undefined : gte(lastAt, new Date(query.since)),
        query.alert === undefined ? undefined : eq(alert, true),
        after &&
          sql`(${alert}, ${lastAt}, ${fleet}, ${device}, ${code}, ${address}, ${proven}) < (${after[0]}::boolean, ${after[1]}::timestamptz,
            ${after[2]}::text, ${after[3]}::text, ${after[4]}::text, ${after[5]}::text, ${after[6]}::boolean)`,
      ),
    )
    .orderBy(desc(alert), desc(lastAt), desc(fleet), desc(device), desc(code), desc(address), desc(proven))
    .limit(query.limit + 1)
  return toPage(rows, query.limit, presentRefusal, (row) => [
    String(row.alert),
    row.lastAt.toISOString(),
    row.fleet,
    row.device,
    row.code,
    row.address,
    String(row.proven),
  ])
}
