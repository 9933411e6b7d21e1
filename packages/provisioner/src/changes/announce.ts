import { changesChannel } from '@muster/contracts'
import { changes, type Tx } from '@muster/db'
import { sql } from 'drizzle-orm'

type Announced = Omit<typeof changes.$inferInsert, 'seq'>

/** Puts down what brokers must act on, and tells them at commit. */
export async function announceChange(tx: Tx, change: Announced): Promise<number> {
  const [row] = await tx.insert(changes).values(change).returning({ seq: changes.seq })
  if (!row) throw new Error('the change has no number')
  await tx.execute(sql`select pg_notify(${changesChannel}, ${String(row.seq)})`)
  return row.seq
}
