import type { Identity, MusterError } from '@muster/contracts'
import type { Db } from '@muster/db'
import { repeat } from './repeat.ts'

interface Entry {
  fleet: string
  device: string
  code: string
  address: string
  detail: string
  alert: boolean
  count: number
  firstAt: Date
  lastAt: Date
}

export interface RefusalLog extends AsyncDisposable {
  record(identity: Pick<Identity, 'fleet' | 'device'>, refusal: MusterError, address: string): void
  flush(): Promise<void>
}

/** A good-looking certificate that the registry has not issued: somebody may hold a CA key, or want to. */
const alerting: readonly string[] = ['certificate-unknown', 'certificate-untrusted']
const maxEntries = 2_000

// Only devices that exist: a stranger's certificate may name anything.
const text = `
  insert into refusals as old (fleet, device, code, address, detail, alert, count, first_at, last_at)
  select r.* from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::int[],
    $8::timestamptz[], $9::timestamptz[]) as r (fleet, device, code, address, detail, alert, count, first_at, last_at)
  where exists (select from devices d where d.fleet = r.fleet and d.id = r.device)
  order by r.fleet, r.device, r.code, r.address
  on conflict (fleet, device, code, address) do update
    set count = old.count + excluded.count, last_at = excluded.last_at, detail = excluded.detail,
      alert = old.alert or excluded.alert`

/** Promise 6, written behind: equal refusals are counted in memory, so that a storm of them costs one row a moment. */
export function openRefusalLog(options: {
  db: Db
  now(): Date
  everyMs?: number
  onError(error: unknown): void
}): RefusalLog {
  const { db, now, everyMs = 250, onError } = options
  let entries = new Map<string, Entry>()

  async function flush() {
    if (entries.size === 0) return
    const pending = entries
    entries = new Map()
    const rows = [...pending.values()]
    const column = <Key extends keyof Entry>(key: Key) => rows.map((row) => row[key])
    const values = (
      ['fleet', 'device', 'code', 'address', 'detail', 'alert', 'count', 'firstAt', 'lastAt'] as const
    ).map(column)
    try {
      await db.$client.query(text, values)
    } catch (error) {
      for (const [key, entry] of pending) {
        entry.count += entries.get(key)?.count ?? 0
        entries.set(key, entry)
      }
      throw error
    }
  }

  const timer = repeat(flush, { everyMs, onError })
  return {
    flush,
    record({ fleet, device }, { code, detail }, address) {
      const key = `${fleet}/${device} ${code} ${address}`
      const at = now()
      const entry = entries.get(key)
      if (entry) {
        entry.count += 1
        entry.lastAt = at
        entry.detail = detail
      } else if (entries.size < maxEntries) {
        const alert = alerting.includes(code)
        entries.set(key, { fleet, device, code, address, detail, alert, count: 1, firstAt: at, lastAt: at })
      }
    },
    async [Symbol.asyncDispose]() {
      await timer[Symbol.asyncDispose]()
      await flush().catch(onError)
    },
  }
}
