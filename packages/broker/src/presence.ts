import { type CloneAction, sessionKey } from '@muster/contracts'
import { type Db, repeat } from '@muster/db'
import type { Place, Session } from './sessions/session.ts'

interface Sighting {
  session: Session
  online: boolean
  /** In milliseconds since the epoch. */
  seenAt: number
}

export interface Presence extends AsyncDisposable {
  connected(session: Session): void
  disconnected(session: Session): void
  /** Looks through the live sessions now and then for devices that have been heard of since. */
  watch(list: () => Session[]): void
}

/** A connection is here, and the registry had the device at another node. */
export type OnElsewhere = (session: Session, elsewhere: Place, action: CloneAction) => void

// The latest connection has the row, or the one that is settled to stay; a node that has lost its lease has nothing. Rows
// are locked in one order by all nodes, so that two updates cannot wait for each other.
const text = `
  with found as materialized (
    select s.*, d.node, d.connected_at as since, not s.online and d.node <> $1 as is_left, s.online and d.node <> $1
        and exists (select from nodes n where n.name = d.node and n.left_at is null and n.lease_until > now())
        and (s.settled_node, s.settled_since) is distinct from (d.node, d.connected_at) as is_elsewhere
    from devices d join
      unnest($2::text[], $3::text[], $4::bool[], $5::timestamptz[], $6::timestamptz[], $7::text[], $8::timestamptz[])
        as s (fleet, device, online, connected_at, seen_at, settled_node, settled_since)
      on d.fleet = s.fleet and d.id = s.device
    order by d.fleet, d.id for no key update of d
  ), written as (
    update devices d
    set node = case when is_theirs then d.node when f.online then $1 end,
      connected_at = case when is_theirs then d.connected_at else coalesce(f.connected_at, d.connected_at) end,
      seen_at = greatest(d.seen_at, f.seen_at)
    from found f, lateral (select coalesce(f.is_left or f.is_elsewhere and f.connected_at < f.since, false) as is_theirs) t
    where d.fleet = f.fleet and d.id = f.device
  )
  select f.fleet, f.device, f.node, f.since, (select on_clone from fleets where name = f.fleet) as action
  from found f where f.is_elsewhere`

interface Conflict {
  fleet: string
  device: string
  node: string
  since: Date | null
  action: CloneAction
}

/** So many in one statement: it must not take longer than a statement may. */
const batchRows = 2_000

/** Who is connected, written behind to `devices`; that is also where it is noticed that a device is at two nodes. */
export function openPresence(options: {
  db: Db
  node: string
  now(): Date
  everyMs?: number
  seenEveryMs?: number
  onElsewhere: OnElsewhere
  onError(error: unknown): void
}): Presence {
  const { db, node, now, everyMs = 500, seenEveryMs = 30_000, onElsewhere, onError } = options
  let sightings = new Map<string, Sighting>()
  let begun = false

  // Nobody is connected to a node that has just started.
  async function begin() {
    await db.$client.query('update devices set node = null where node = $1', [node])
    begun = true
  }

  async function write(batch: Map<string, Sighting>) {
    const seen = [...batch.values()]
    const column = <Value>(of: (sighting: Sighting) => Value) => seen.map(of)
    const { rows } = await db.$client.query<Conflict>(text, [
      node,
      column(({ session }) => session.peer.identity.fleet),
      column(({ session }) => session.peer.identity.device),
      column(({ online }) => online),
      column(({ session }) => instant(session.connectedAt)),
      column(({ seenAt }) => instant(seenAt)),
      column(({ session }) => session.settled?.node),
      column(({ session }) => instant(session.settled?.since)),
    ])
    for (const { node, since, action, ...device } of rows) {
      const found = batch.get(sessionKey(device))
      if (found) onElsewhere(found.session, { node, since: since?.getTime() ?? null }, action)
    }
  }

  async function flush() {
    if (!begun) await begin()
    for (let left = sightings.size; left > 0; left -= batchRows) {
      const batch = new Map(sightings.entries().take(batchRows))
      for (const key of batch.keys()) sightings.delete(key)
      try {
        await write(batch)
      } catch (error) {
        sightings = new Map([...batch, ...sightings])
        throw error
      }
    }
  }

  let list = (): Session[] => []
  async function noteSeen() {
    const since = now().getTime() - seenEveryMs
    for (const session of list()) {
      const { key, lastPacketAt } = session
      if (lastPacketAt < since || sightings.has(key)) continue
      sightings.set(key, { session, online: true, seenAt: lastPacketAt })
    }
  }

  const seen = repeat(noteSeen, { everyMs: seenEveryMs, onError })
  const timer = repeat(flush, { everyMs, onError })
  return {
    connected(session) {
      session.connectedAt ??= now().getTime()
      const seenAt = Math.max(session.connectedAt, session.lastPacketAt)
      sightings.set(session.key, { session, online: true, seenAt })
      if (session.isDisputed) timer.hurry()
    },
    disconnected(session) {
      sightings.set(session.key, { session, online: false, seenAt: now().getTime() })
    },
    watch(sessions) {
      list = sessions
    },
    async [Symbol.asyncDispose]() {
      await seen[Symbol.asyncDispose]()
      await timer[Symbol.asyncDispose]()
      await flush().catch(onError)
    },
  }
}

const instant = (ms: number | null | undefined) => (ms == null ? null : new Date(ms))
