import { MusterError } from '@muster/contracts'
import { type Db, fleets, type Tx } from '@muster/db'
import { eq } from 'drizzle-orm'

export async function requireFleet(db: Db | Tx, name: string): Promise<void> {
  const found = await db.select({ name: fleets.name }).from(fleets).where(eq(fleets.name, name))
  if (found.length === 0) throw new MusterError('fleet-not-found', `there is no fleet ${name}`)
}
