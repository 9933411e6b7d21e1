import { type Repeating, refusals, refusalWriters, repeat } from '@muster/db'
import { inArray, lt, sql } from 'drizzle-orm'
import type { Deps } from '../context.ts'

const batchRows = 5_000
/** Longer than any network keeps what was sent. */
const writersMs = 86_400_000

/** Forgets what was last refused before the retention's time; answers how many rows that were. */
export async function pruneRefusals({ db, now }: Pick<Deps, 'db' | 'now'>, retentionMs: number): Promise<number> {
  const before = new Date(now().getTime() - retentionMs)
  await db.delete(refusalWriters).where(lt(refusalWriters.at, new Date(now().getTime() - writersMs)))
  const place = sql`ctid`
  for (let pruned = 0; ; ) {
    const old = db.select({ place }).from(refusals).where(lt(refusals.lastAt, before)).limit(batchRows)
    const { rowCount } = await db.delete(refusals).where(inArray(place, old))
    pruned += rowCount ?? 0
    if ((rowCount ?? 0) < batchRows) return pruned
  }
}

/** Any number of provisioners may do this together. */
export function startPruning(deps: Pick<Deps, 'db' | 'now' | 'log'>, retentionMs: number): Repeating {
  const onError = (err: unknown) => deps.log.error({ err }, 'old refusals could not be removed')
  const prune = async () => void (await pruneRefusals(deps, retentionMs))
  return repeat(prune, { everyMs: Math.min(3_600_000, retentionMs), onError })
}
