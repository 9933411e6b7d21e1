import type { Tx } from '@muster/db'
import { sql } from 'drizzle-orm'

const lockKey = 0x6d757375

/** What makes or changes issuers, in the registry and in the data directory, takes turns. */
export async function lockIssuers(tx: Tx): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${lockKey})`)
}
