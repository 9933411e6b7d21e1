import { type Db, repeat } from '@muster/db'
import type { Session } from './sessions/session.ts'

interface Sighting {
  fleet: string
  device: string
  online: boolean
  connectedAt: Date | null
  seenAt: Date
}

export interface Presence extends AsyncDisposable {
  connected(session: Session): void
  disconnected(session: Session): void
  /** Looks through the live sessions now and then for devices that have been heard of since. */
  watch(list: () => Session[]): void
}

// A device that has come back elsewhere is not taken offline by the node it has left.
const text = `
  update devices d
  set node = case when s.online then $1 when d.node = $1 then null else d.node end,
    connected_at = coalesce(s.connected_at, d.connected_at), seen_at = greatest(d.seen_at, s.seen_at)
  from unnest($2::text[], $3::text[], $4::bool[], $5::timestamptz[], $6::timestamptz[])
    as s (fleet, device, online, connected_at, seen_at)
  where d.fleet = s.fleet and d.id = s.device`

/** Who is connected, written behind to `devices`. */
export function openPresence(options: {
  db: Db
  node: string
  now(): Date
  everyMs?: number
  seenEveryMs?: number
  onError(error: unknown): void
}): Presence {
  const { db, node, now, everyMs = 500, seenEveryMs = 30_000, onError } = options
  let sightings = new Map<string, Sighting>()
  let begun = false

  function note({ key, peer }: Session, online: boolean) {
    const { fleet, device } = peer.identity
    const at = now()
    const connectedAt = online ? at : (sightings.get(key)?.connectedAt ?? null)
    sightings.set(key, { fleet, device, online, connectedAt, seenAt: at })
  }

  // Nobody is connected to a node that has just started.
  async function begin() {
    await db.$client.query('update devices set node = null where node = $1', [node])
    begun = true
  }

  async function flush() {
    if (!begun) await begin()
    if (sightings.size === 0) return
    const pending = sightings
    sightings = new Map()
    // One order for all nodes, so that two updates cannot wait for each other.
    const rows = [...pending].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, sighting]) => sighting)
    const column = <Key extends keyof Sighting>(key: Key) => rows.map((row) => row[key])
    try {
      const values = (['fleet', 'device', 'online', 'connectedAt', 'seenAt'] as const).map(column)
      await db.$client.query(text, [node, ...values])
    } catch (error) {
      sightings = new Map([...pending, ...sightings])
      throw error
    }
  }

  let list = (): Session[] => []
  async function noteSeen() {
    const since = now().getTime() - seenEveryMs
    for (const { key, peer, lastPacketAt } of list()) {
      if (lastPacketAt < since || sightings.has(key)) continue
      const { fleet, device } = peer.identity
      sightings.set(key, { fleet, device, online: true, connectedAt: null, seenAt: new Date(lastPacketAt) })
    }
  }

  const seen = repeat(noteSeen, { everyMs: seenEveryMs, onError })
  const timer = repeat(flush, { everyMs, onError })
  return {
    connected: (session) => note(session, true),
    disconnected: (session) => note(session, false),
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
