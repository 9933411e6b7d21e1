import type { Db } from '@muster/db'
import { sql } from 'drizzle-orm'
import { vi } from 'vitest'

/** Runs `work` while another transaction holds `table` for itself. */
export async function whileLocked(db: Db, table: string, work: () => Promise<void>): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.execute(sql.raw(`lock table ${table} in access exclusive mode`))
    await work()
  })
}

/** Resolves when somebody waits for the lock on `table`. */
export async function someoneWaitsFor(db: Db, table: string): Promise<void> {
  await vi.waitFor(async () => {
    const { rows } = await db.execute(
      sql`select from pg_locks where not granted and relation = ${table}::regclass
        and database = (select oid from pg_database where datname = current_database())`,
    )
    if (rows.length === 0) throw new Error('nobody yet')
  }, 5_000)
}
