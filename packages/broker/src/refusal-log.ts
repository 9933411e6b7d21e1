import type { ErrorCode, MusterError } from '@muster/contracts'
import { blamesRows, type CountedRefusals, type Db, encodeRefusals, recordRefusalsText, repeat } from '@muster/db'

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

type Keyed = [key: string, entry: CountedRefusals]

const refusalBounds = { entries: 2_000, claimed: 1_000, batch: 500 }
/** More than is ever written. */
const keptText = 600

/** Promise 6, written behind: equal refusals are counted in memory, so that a storm of them costs one statement a moment. */
export function openRefusalLog(options: {
  db: Db
  now(): Date
  everyMs?: number
  onError(error: unknown): void
  /** So many refusals that the database does not take for what is in them. */
  onDropped(count: number, error: unknown): void
}): RefusalLog {
  const { db, now, everyMs = 250, onError, onDropped } = options
  let entries = new Map<string, CountedRefusals>()

  async function flush() {
    while (entries.size > 0) {
      const batch = [...entries].slice(0, refusalBounds.batch)
      for (const [key] of batch) entries.delete(key)
      await write(batch)
    }
  }

  /** One that the database never takes is found by halves and dropped: it must not keep all others from the record. */
  async function write(batch: Keyed[]) {
    const parts = [batch]
    for (let part = parts.pop(); part; part = parts.pop()) {
      try {
        await db.$client.query({ ...recordRefusalsText, values: [encodeRefusals(part.map(([, entry]) => entry))] })
      } catch (error) {
        if (!blamesRows(error)) {
          keep([part, ...parts.reverse()].flat())
          throw error
        }
        const [[, first] = [], ...others] = part
        if (first && others.length === 0) onDropped(first.count, error)
        else parts.push(part.slice(part.length / 2), part.slice(0, part.length / 2))
      }
    }
  }

  /** For the next time: what has come meanwhile is counted together with it. */
  function keep(older: Keyed[]) {
    const newer = entries
    entries = new Map(older)
    for (const [key, entry] of newer) add(key, entry)
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
    const isStranger = !entry.certificate?.fingerprint || entry.code === 'certificate-untrusted'
    const room = isStranger ? refusalBounds.claimed : refusalBounds.entries
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
      // Whether a stranger's certificate has taken a name of ours is for the database to say.
      const alert = alerting.includes(code) && device !== ''
      const shown = { subject: cut(subject), serial: cut(serial), issuer: cut(issuer), fingerprint }
      const certificate = subject || serial ? shown : undefined
      const times = { count: 1, firstAt: at, lastAt: at }
      const key = `${fleet}/${device} ${code} ${address} ${fingerprint}`
      add(key, { fleet, device, code, address, detail: cut(detail), alert, certificate, ...times })
    },
    async [Symbol.asyncDispose]() {
      await timer[Symbol.asyncDispose]()
      await flush().catch(onError)
    },
  }
}

/** A certificate may have names of any length. Copied: a part of a string holds on to the whole of it. */
const cut = (text: string) =>
  text.length <= keptText ? text : Buffer.from(text.slice(0, keptText), 'utf16le').toString('utf16le')
