import type { ErrorCode, MusterError } from '@muster/contracts'
import { type CountedRefusals, type Db, encodeRefusals, recordRefusalsText, repeat } from '@muster/db'

/** What is known of who was refused; all of it may be a lie. A fingerprint is looked up, and tells. */
export interface Who {
  fleet?: string | undefined
  device?: string | undefined
  /** Of the certificate that was shown. */
  subject?: string | undefined
  serial?: string | undefined
  issuer?: string | undefined
  /** Where TLS has proved its key. */
  fingerprint?: string | undefined
}

export interface RefusalLog extends AsyncDisposable {
  record(who: Who | undefined, refusal: Pick<MusterError, 'code' | 'detail'>, address: string): void
  flush(): Promise<void>
}

/** Somebody may hold a copy of a key, or a CA's: these are looked at first. */
const alerting: readonly ErrorCode[] = ['certificate-unknown', 'certificate-cloned', 'certificate-untrusted']

const refusalBounds = { entries: 2_000, claimed: 1_000, batch: 500 }

/** Promise 6, written behind: equal refusals are counted in memory, so that a storm of them costs one statement a moment. */
export function openRefusalLog(options: {
  db: Db
  now(): Date
  everyMs?: number
  onError(error: unknown): void
}): RefusalLog {
  const { db, now, everyMs = 250, onError } = options
  let entries = new Map<string, CountedRefusals>()

  async function flush() {
    while (entries.size > 0) {
      const batch = [...entries].slice(0, refusalBounds.batch)
      for (const [key] of batch) entries.delete(key)
      try {
        await db.$client.query({ ...recordRefusalsText, values: [encodeRefusals(batch.map(([, entry]) => entry))] })
      } catch (error) {
        const newer = entries
        entries = new Map(batch)
        for (const [key, entry] of newer) add(key, entry)
        throw error
      }
    }
  }

  /** Beyond the bound only the count is kept, by code; devices keep room that strangers cannot take. */
  function add(key: string, entry: CountedRefusals) {
    const same = entries.get(key)
    if (same) {
      same.count += entry.count
      same.lastAt = entry.lastAt
      same.detail = entry.detail
      same.alert = same.alert || entry.alert
      return
    }
    const room = entry.certificate?.fingerprint ? refusalBounds.entries : refusalBounds.claimed
    if (entries.size < room || entry.address === '*') return void entries.set(key, entry)
    const { certificate: _, ...rest } = entry
    add(`${entry.code} *`, { ...rest, fleet: '', device: '', address: '*', detail: 'merged: too many at once' })
  }

  const timer = repeat(flush, { everyMs, onError })
  return {
    flush,
    record(who = {}, { code, detail }, address) {
      const { fleet = '', device = '', subject = '', serial = '', issuer = '', fingerprint = '' } = who
      const at = now()
      // A stranger's certificate is an alert where it has taken a name of ours.
      const alert = alerting.includes(code) && device !== ''
      const certificate = subject || serial ? { subject, serial, issuer, fingerprint } : undefined
      const times = { count: 1, firstAt: at, lastAt: at }
      const key = `${fleet}/${device} ${code} ${address} ${fingerprint}`
      add(key, { fleet, device, code, address, detail, alert, certificate, ...times })
    },
    async [Symbol.asyncDispose]() {
      await timer[Symbol.asyncDispose]()
      await flush().catch(onError)
    },
  }
}
