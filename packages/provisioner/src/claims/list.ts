import type { Claim } from '@muster/contracts'
import { claims } from '@muster/db'
import { and, desc, eq, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { requireFleet } from '../fleets/require-fleet.ts'
import { decodeCursor, toPage } from '../http/paging.ts'

interface Query {
  fleet: string
  limit: number
  cursor?: string | undefined
}

/** The newest first. */
export async function listClaims({ db }: Pick<Context, 'db'>, { fleet, limit, cursor }: Query) {
  const after = decodeCursor(cursor, z.tuple([z.iso.datetime(), z.string()]))
  await requireFleet(db, fleet)
  const rows = await db
    .select()
    .from(claims)
    .where(
      and(
        eq(claims.fleet, fleet),
        after && sql`(${claims.createdAt}, ${claims.id}) < (${after[0]}::timestamptz, ${after[1]}::text)`,
      ),
    )
    .orderBy(desc(claims.createdAt), desc(claims.id))
    .limit(limit + 1)
  return toPage(rows, limit, presentClaim, (row) => [row.createdAt.toISOString(), row.id])
}

export function presentClaim({ secretHash: _, ...row }: typeof claims.$inferSelect): Claim {
  return { ...row, expiresAt: row.expiresAt?.toISOString() ?? null, createdAt: row.createdAt.toISOString() }
}
