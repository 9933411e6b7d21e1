import { type Db, repeat } from '@muster/db'

export interface NodeLease extends AsyncDisposable {
  /** Whether the registry still counts on this node: from then on it is told of changes, and waited for. */
  isHeld(): boolean
}

const register = `
  insert into nodes (name, started_at, lease_until, left_at)
  values ($1, now(), now() + $2 * interval '1 ms', null)
  on conflict (name) do update set started_at = now(), lease_until = excluded.lease_until, left_at = null`
const renew = `update nodes set lease_until = now() + $2 * interval '1 ms', left_at = null where name = $1`
const leave = `update nodes set left_at = now(), lease_until = now() where name = $1`

/** Nobody waits for a node whose lease has run out: by then it must not have a connection left. */
export async function openNodeLease(options: {
  db: Db
  node: string
  leaseMs: number
  onLost(): Promise<void>
  onError(error: unknown): void
}): Promise<NodeLease> {
  const { db, node, leaseMs, onLost, onError } = options
  const reserveMs = leaseMs / 6
  // Counted from before the statement was sent, on a clock that nobody sets: never longer than the registry's view.
  let heldUntil = 0

  async function extend(statement: string) {
    const sentAt = performance.now()
    await db.$client.query(statement, [node, leaseMs])
    heldUntil = sentAt + leaseMs - reserveMs
  }

  async function check() {
    const lostSoon = setTimeout(lose, Math.max(0, heldUntil - performance.now()))
    try {
      await extend(renew)
    } finally {
      clearTimeout(lostSoon)
      if (performance.now() >= heldUntil) lose()
    }
  }

  function lose() {
    onLost().catch(onError)
  }

  await extend(register)
  const timer = repeat(check, { everyMs: leaseMs / 10, onError })
  return {
    isHeld: () => performance.now() < heldUntil,
    async [Symbol.asyncDispose]() {
      await timer[Symbol.asyncDispose]()
      await db.$client.query(leave, [node]).catch(onError)
    },
  }
}
