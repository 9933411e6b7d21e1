import type { Identity, MusterError } from '@muster/contracts'
import { type Db, repeat } from '@muster/db'

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

// Only for devices that exist: a stranger's certificate may name anything. Row by row, because what the new row says
// is taken from parameters: reading a refusal back is not the broker's right.
const text = `
  insert into refusals as old (fleet, device, code, address, detail, alert, count, first_at, last_at)
  select d.fleet, d.id, $3, $4, $5, $6, $7::int, $8, $9::timestamptz from devices d where d.fleet = $1 and d.id = $2
  on conflict (fleet, device, code, address) do update
    set count = old.count + $7::int, last_at = $9::timestamptz, detail = $5, alert = old.alert or $6`

/** Promise 6, written behind: equal refusals are counted in memory, so that a storm of them costs one row a moment. */
export function openRefusalLog(options: {
  db: Db
  now(): Date
  everyMs?: number
  onError(error: unknown): void
}): RefusalLog {
  const { db, now, everyMs = 250, onError } = options
  const entries = new Map<string, Entry>()

  async function flush() {
    for (const [key, entry] of [...entries]) {
      const { fleet, device, code, address, detail, alert, count, firstAt, lastAt } = entry
      entries.delete(key)
      try {
        const values = [fleet, device, code, address, detail, alert, count, firstAt, lastAt]
        await db.$client.query({ name: 'record-refusal', text, values })
      } catch (error) {
        const newer = entries.get(key)
        entries.set(key, newer ? { ...newer, firstAt, count: newer.count + count } : entry)
        throw error
      }
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
