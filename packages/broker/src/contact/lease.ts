import { type Db, openDb } from '@muster/db'

/** This node's row in the registry, over a connection of its own that nothing else can hold up. */
export interface Lease extends AsyncDisposable {
  /** @throws when the registry does not answer soon */
  extend(): Promise<void>
  /** Nobody waits for this node any more. */
  leave(): Promise<void>
}

const register = `
  insert into nodes (name, started_at, lease_until, left_at)
  values ($1, now(), now() + $2 * interval '1 ms', null)
  on conflict (name) do update set started_at = now(), lease_until = excluded.lease_until, left_at = null`
const renew = `update nodes set lease_until = now() + $2 * interval '1 ms', left_at = null where name = $1`
const leave = `update nodes set left_at = now(), lease_until = now() where name = $1`

/** Over and above the time for which this node serves: to close everything, and for clocks that do not go equally fast. */
const reserve = 1.2
const patienceMs = 1_500

export async function openLease(options: { url: string; node: string; freshnessMs: number }): Promise<Lease> {
  const { url, node, freshnessMs } = options
  const db: Db & AsyncDisposable = await openDb({ url, role: 'muster_broker', max: 1, patienceMs, mayBeAway: true })
  const leaseMs = Math.ceil(freshnessMs * reserve)
  let registered = false
  return {
    async extend() {
      await db.$client.query(registered ? renew : register, [node, leaseMs])
      registered = true
    },
    async leave() {
      await db.$client.query(leave, [node])
    },
    [Symbol.asyncDispose]: () => db[Symbol.asyncDispose](),
  }
}
