import { randomUUID } from 'node:crypto'
import type { ErrorCode, MusterError } from '@muster/contracts'
import { blamesRows, type CountedRefusals, type Db, recordRefusalsOnce, repeat } from '@muster/db'

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

/** What is written at once: with a number from its first try on, so that it can be sent again and is counted once. */
interface Batch {
  number?: number
  refusals: CountedRefusals[]
}

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
  const entries = new Map<string, CountedRefusals>()
  const writer = randomUUID()
  /** The next one last; nothing is added to them. */
  const batches: Batch[] = []
  let number = 0
  let flushing = Promise.resolve()

  /** One after the other: the database takes no batch after a later one. */
  function flush(): Promise<void> {
    const flushed = flushing.then(writeAll)
    flushing = flushed.catch(() => {})
    return flushed
  }

  async function writeAll() {
    while (batches.length > 0 || entries.size > 0) {
      if (batches.length === 0) batches.push({ refusals: take() })
      const batch = batches.at(-1)
      if (batch) await write(batch)
    }
  }

  function take(): CountedRefusals[] {
    const first = [...entries].slice(0, refusalBounds.batch)
    for (const [key] of first) entries.delete(key)
    return first.map(([, entry]) => entry)
  }

  /** One that the database never takes is found by halves and dropped: it must not keep all others from the record. */
  async function write(batch: Batch) {
    batch.number ??= ++number
    const { refusals } = batch
    try {
      await recordRefusalsOnce(db, { writer, batch: batch.number }, refusals)
      batches.pop()
    } catch (error) {
      // It may have been written all the same, or will be when the network thaws: it stays as it is.
      if (!blamesRows(error)) throw error
      batches.pop()
      const [first, ...others] = refusals
      const middle = refusals.length / 2
      if (first && others.length === 0) onDropped(first.count, error)
      else batches.push({ refusals: refusals.slice(middle) }, { refusals: refusals.slice(0, middle) })
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
    const isStranger = !entry.certificate?.fingerprint || entry.code === 'certificate-untrusted'
    const room = isStranger ? refusalBounds.claimed : refusalBounds.entries
    if (entries.size + unwritten() < room || entry.address === '*') return void entries.set(key, entry)
    const { certificate: _, ...rest } = entry
    add(`${entry.code} *`, { ...rest, fleet: '', device: '', address: '*', detail: 'merged: too many at once' })
  }

  const unwritten = () => batches.reduce((sum, { refusals }) => sum + refusals.length, 0)

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
