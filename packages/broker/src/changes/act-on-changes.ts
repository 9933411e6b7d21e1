import { type ChangeKind, MusterError, sessionKey } from '@muster/contracts'
import type { Db } from '@muster/db'
import type { Snapshot } from '../admission/snapshot.ts'
import type { Removal, Sessions } from '../sessions/sessions.ts'
import type { PolicyOutcome } from './apply-policies.ts'

export interface Change {
  /** As PostgreSQL writes a bigint. */
  seq: string
  kind: ChangeKind
  fleet: string
  device: string | null
  group: string | null
  policy: string | null
  at: Date
}

/** What a receipt tells. */
export type Outcome = Removal & PolicyOutcome

export interface ActOptions {
  db: Db
  node: string
  sessions: Pick<Sessions, 'remove'>
  snapshot: Pick<Snapshot, 'note' | 'sync'>
  applyPolicies(change: Change): Promise<PolicyOutcome>
  now(): Date
  onDone(change: Change, outcome: Outcome): void
}

const nothingDone: Outcome = { connectionsClosed: 0, sessionPurged: false, sessionsChanged: 0, subscriptionsCut: 0 }
const batchRows = 500
// Sequence numbers may become visible out of order, as their transactions commit.
const overlap = 1_000

const pendingText = `
  select c.seq, c.kind, c.fleet, c.device, c."group", c.policy, c.at from changes c
  where c.seq > $2 and not exists (select from receipts r where r.change = c.seq and r.node = $1)
  order by c.seq limit ${batchRows}`

const receiptText = `
  insert into receipts (change, node, connections_closed, session_purged, at, sessions_changed, subscriptions_cut)
  select r.change, $1, r.closed, r.purged, r.at, r.changed, r.cut
  from unnest($2::bigint[], $3::int[], $4::bool[], $5::timestamptz[], $6::int[], $7::int[])
    as r (change, closed, purged, at, changed, cut)
  on conflict do nothing`

/**
 * Acts on every change without a receipt of this node, and writes the receipts.
 * The row is what counts: it does not matter who noticed it, nor how late.
 */
export function createActOnChanges({ db, node, sessions, snapshot, applyPolicies, now, onDone }: ActOptions) {
  /** What was done but could not be acknowledged: done again it would look like nothing. */
  const unacknowledged = new Map<string, Outcome & { at: Date }>()
  let seen = 0

  async function act(change: Change): Promise<void> {
    if (unacknowledged.has(change.seq)) return
    // First: whoever connects in between is found by what follows.
    snapshot.note(change)
    const outcome = { ...nothingDone, ...(await carryOut(change)) }
    unacknowledged.set(change.seq, { ...outcome, at: now() })
    onDone(change, outcome)
  }

  async function carryOut(change: Change): Promise<Partial<Outcome>> {
    switch (change.kind) {
      case 'resume':
        return {}
      case 'policy':
      case 'group':
        return applyPolicies(change)
      case 'suspend':
        return sessions.remove(keyOf(change), { reason: 'device-suspended', purge: false })
      case 'revoke':
        return sessions.remove(keyOf(change), { reason: 'device-revoked', purge: true })
      case 'retire':
        return sessions.remove(keyOf(change), { reason: 'device-retired', purge: true })
    }
  }

  async function acknowledge(): Promise<void> {
    const receipts = [...unacknowledged]
    // After a receipt nobody is let in any more, not even by this node's successor while the registry is away.
    await snapshot.sync()
    await db.$client.query(receiptText, [
      node,
      receipts.map(([seq]) => seq),
      receipts.map(([, receipt]) => receipt.connectionsClosed),
      receipts.map(([, receipt]) => receipt.sessionPurged),
      receipts.map(([, receipt]) => receipt.at),
      receipts.map(([, receipt]) => receipt.sessionsChanged),
      receipts.map(([, receipt]) => receipt.subscriptionsCut),
    ])
    for (const [seq] of receipts) unacknowledged.delete(seq)
  }

  return async function actOnChanges({ everything }: { everything: boolean }): Promise<void> {
    for (let after = everything ? 0 : Math.max(0, seen - overlap); ; ) {
      const query = { name: 'pending-changes', text: pendingText, values: [node, after] }
      const { rows } = await db.$client.query<Change>(query)
      await Promise.all(rows.map(act))
      after = Math.max(after, ...rows.map(({ seq }) => Number(seq)))
      seen = Math.max(seen, after)
      if (unacknowledged.size > 0) await acknowledge()
      if (rows.length < batchRows) return
    }
  }
}

function keyOf({ seq, fleet, device }: Change): string {
  if (device === null) throw new MusterError('internal', `change ${seq} names no device`)
  return sessionKey({ fleet, device })
}
