import { type Db, repeat } from '@muster/db'

/** Tells the registry until when this node keeps the session of a device that is away. */
export interface KeptRecord extends AsyncDisposable {
  /** `endsAt`: milliseconds since the epoch; undefined: nothing is kept any more. */
  note(key: string, endsAt: number | undefined): void
}

const most = 5_000

// Rows are locked in one order by all nodes, so that two updates cannot wait for each other.
const text = `
  with found as materialized (
    select d.fleet, d.id, s.ends_at
    from devices d join unnest($1::text[], $2::text[], $3::timestamptz[]) as s (fleet, device, ends_at)
      on d.fleet = s.fleet and d.id = s.device
    where d.session_ends_at is distinct from s.ends_at
    order by d.fleet, d.id for no key update of d
  )
  update devices d set session_ends_at = f.ends_at from found f where d.fleet = f.fleet and d.id = f.id`

/** Written behind, to `devices`; what cannot be written is written later. */
export function openKeptRecord(options: { db: Db; everyMs?: number; onError(error: unknown): void }): KeptRecord {
  const { db, everyMs = 500, onError } = options
  let notes = new Map<string, number | undefined>()

  async function flush() {
    while (notes.size > 0) {
      const all = [...notes]
      const some = all.slice(0, most)
      notes = new Map(all.slice(most))
      const names = some.map(([key]) => splitKey(key))
      try {
        await db.$client.query(text, [
          names.map(({ fleet }) => fleet),
          names.map(({ device }) => device),
          some.map(([, endsAt]) => (endsAt === undefined ? null : new Date(endsAt))),
        ])
      } catch (error) {
        notes = new Map([...some, ...notes])
        throw error
      }
    }
  }

  const writing = repeat(flush, { everyMs, onError })
  return {
    note: (key, endsAt) => void notes.set(key, endsAt),
    async [Symbol.asyncDispose]() {
      await writing[Symbol.asyncDispose]()
      await flush().catch(onError)
    },
  }
}

/** `<fleet>/<device>`: a name has no slash in it. */
function splitKey(key: string) {
  const at = key.indexOf('/')
  return { fleet: key.slice(0, at), device: key.slice(at + 1) }
}
