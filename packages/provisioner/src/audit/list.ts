import { audit } from '@muster/db'
import { and, desc, eq, lt } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { requireFleet } from '../fleets/require-fleet.ts'
import { decodeCursor, toPage } from '../http/paging.ts'

interface Query {
  fleet: string
  subject?: string | undefined
  limit: number
  cursor?: string | undefined
}

/** The newest first. */
export async function listAudit({ db }: Pick<Context, 'db'>, { fleet, subject, limit, cursor }: Query) {
  const after = decodeCursor(cursor, z.tuple([z.int()]))
  await requireFleet(db, fleet)
  const rows = await db
    .select()
    .from(audit)
    .where(
      and(
        eq(audit.fleet, fleet),
        subject === undefined ? undefined : eq(audit.subject, subject),
        after && lt(audit.seq, after[0]),
      ),
    )
    .orderBy(desc(audit.seq))
    .limit(limit + 1)
  return toPage(
    rows,
    limit,
    (row) => ({ ...row, at: row.at.toISOString() }),
    (row) => [row.seq],
  )
}
