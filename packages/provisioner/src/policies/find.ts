import { findPreset, MusterError, type Policy } from '@muster/contracts'
import { type Db, policies, type Tx } from '@muster/db'
import { and, eq } from 'drizzle-orm'

/** A preset, or else the fleet's own. */
export async function findPolicy(db: Db | Tx, fleet: string, name: string): Promise<Policy> {
  const preset = findPreset(name)
  if (preset) return preset
  const [row] = await db
    .select({ document: policies.document })
    .from(policies)
    .where(and(eq(policies.fleet, fleet), eq(policies.name, name)))
  if (!row) throw new MusterError('policy-not-found', `fleet ${fleet} has no policy ${name}`)
  return row.document
}
