import { lifeChanges, MusterError, promotionsChannel } from '@muster/contracts'
import type { Db } from '@muster/db'
import type { Clock } from '../contact/clock.ts'
import type { Place } from '../sessions/session.ts'
import type { RegistryRow } from './judge.ts'

export interface LookupRow extends RegistryRow {
  /** Something has happened to the holder that this node has not acted on yet; a policy is no such thing: the row has it. */
  changePending: boolean
  /** Another node that holds a connection of the device, and has neither left nor lost its lease. */
  elsewhere?: Place | undefined
  /** That this node is the one that is said to hold it. */
  isListedHere?: boolean
  /** When the registry was asked, by the clock that freshness is measured by. */
  readAt: number
  /** Not the registry's word, but this node's, from before the registry went away. */
  isVouchedFor?: boolean
}

/** Answers questions about certificates, those of a few milliseconds with one query. */
export interface Registry {
  /** @throws MusterError `unavailable` */
  find(serial: string): Promise<LookupRow | undefined>
  /** @throws MusterError `unavailable` */
  findAll(serials: readonly string[]): Promise<Map<string, LookupRow>>
  /**
   * The first use of a renewed certificate: from here on it is the one in use. `false` when something came first.
   * @throws MusterError `unavailable`
   */
  promote(serial: string, key: string): Promise<boolean>
}

interface Found extends RegistryRow, Pick<LookupRow, 'changePending'> {
  node: string | null
  nodeSince: Date | null
  isElsewhere: boolean | null
}

const text = `
  select c.serial, c.fingerprint, c.state as "certificateState", d.fleet, d.id as device, d.profile,
    d.state as "deviceState", d.state_at as "deviceStateAt", c.revoked_at as "revokedAt", c.revocation_reason as "revocationReason",
    i.state as "issuerState", f.late_renewal_days as "lateRenewalDays", f.on_clone as "onClone",
    d."group", d.policy as "devicePolicy", d.claim_policy as "claimPolicy", g.policy as "groupPolicy", f.policy as "fleetPolicy",
    p.version as "policyVersion", p.document,
    exists (
      select from changes x where x.fleet = d.fleet and x.device = d.id and x.kind = any($3::text[])
        and not exists (select from receipts r where r.change = x.seq and r.node = $2)
    ) as "changePending",
    d.node, d.connected_at as "nodeSince",
    d.node <> $2 and exists (select from nodes n where n.name = d.node and n.left_at is null and n.lease_until > now()) as "isElsewhere"
  from certificates c
    join devices d on d.fleet = c.fleet and d.id = c.device
    join fleets f on f.name = d.fleet
    left join issuers i on i.name = c.issuer
    left join groups g on g.fleet = d.fleet and g.name = d."group"
    left join policies p on p.fleet = d.fleet
      and p.name = coalesce(d.policy, d.claim_policy, g.policy, f.policy)
  where c.serial = any($1::text[])`

// The other nodes hear of it when it is committed, and only if it happened.
const promoteText = `
  with promotion as materialized (select promote_certificate($1, now(), $2) as done)
  select done, case when done then pg_notify($3, $4)::text end from promotion`

const windowMs = 2
const batchRows = 256
const deadlineMs = 3_000

export function createRegistry({ db, node, clock }: { db: Db; node: string; clock: Clock }): Registry {
  let waiting: { serials: Set<string>; answer: Promise<Map<string, LookupRow>>; send: () => void } | undefined

  async function findAll(serials: readonly string[]): Promise<Map<string, LookupRow>> {
    const readAt = clock.now()
    const query = db.$client.query<Found>({ name: 'find-certificates', text, values: [serials, node, lifeChanges] })
    const { rows } = await withDeadline(query)
    return new Map(rows.map((row) => [row.serial, { ...withPlace(row, node), readAt }]))
  }

  function openBatch() {
    const { promise: sent, resolve } = Promise.withResolvers<void>()
    const serials = new Set<string>()
    const timer = setTimeout(resolve, windowMs)
    const answer = sent.then(() => {
      clearTimeout(timer)
      if (waiting?.serials === serials) waiting = undefined
      return findAll([...serials])
    })
    return { serials, answer, send: resolve }
  }

  return {
    findAll,

    async promote(serial, key) {
      const values = [serial, node, promotionsChannel, `${key} ${node}`]
      const query = { name: 'promote-certificate', text: promoteText, values }
      const { rows } = await withDeadline(db.$client.query<{ done: boolean }>(query))
      return rows[0]?.done === true
    },

    async find(serial) {
      waiting ??= openBatch()
      const batch = waiting
      batch.serials.add(serial)
      // The batch is closed at once: a question that comes later must see what was committed until then.
      if (batch.serials.size >= batchRows) {
        waiting = undefined
        batch.send()
      }
      return (await batch.answer).get(serial)
    },
  }
}

function withPlace({ node, nodeSince, isElsewhere, ...row }: Found, self: string): Omit<LookupRow, 'readAt'> {
  const elsewhere = isElsewhere && node !== null ? { node, since: nodeSince?.getTime() ?? null } : undefined
  return { ...row, elsewhere, isListedHere: node === self }
}

async function withDeadline<Result>(work: Promise<Result>): Promise<Result> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${deadlineMs} ms`)), deadlineMs)
  try {
    return await Promise.race([work, late.promise])
  } catch (cause) {
    throw new MusterError('unavailable', 'the registry cannot be asked', { cause })
  } finally {
    clearTimeout(timer)
  }
}
