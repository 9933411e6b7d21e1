import type { ErrorCode } from '@muster/contracts'
import { sql } from 'drizzle-orm'
import type { Db, Tx } from './open.ts'

/** A refusal, or a number of equal ones. */
export interface Refusal {
  /** Empty where none is known, as `device`. */
  fleet: string
  device: string
  code: ErrorCode
  /** The remote address without its port. */
  address: string
  detail: string
  /** Somebody should look; of a stranger's certificate only if it names a device that there is, and so many an hour. */
  alert?: boolean | undefined
  /** That it is the device, where no certificate shows it; a fingerprint is looked up, and decides. */
  proven?: boolean | undefined
  /** Of the certificate that was shown, where there was one. */
  certificate?: { subject: string; serial: string; issuer: string; fingerprint: string } | undefined
  at: Date
}

export interface CountedRefusals extends Omit<Refusal, 'at'> {
  count: number
  firstAt: Date
  lastAt: Date
}

const onceText = 'select record_refusals_once($1::uuid, $2::bigint, $3::jsonb)'
const maxText = { detail: 300, subject: 200, serial: 64, issuer: 120, fingerprint: 64, address: 64, name: 63 }

/** Promise 6. A refusal like an earlier one counts it up; an alert once raised stays. */
export async function recordRefusal(db: Db | Tx, { at, ...refusal }: Refusal): Promise<void> {
  const counted = { ...refusal, count: 1, firstAt: at, lastAt: at }
  await db.execute(sql`select record_refusals(${encodeRefusals([counted])}::jsonb)`)
}

/**
 * The same for many, once for each batch, however often it is sent: the numbers of a writer grow, and a batch whose fate is not
 * known is sent again, as it is, before the next.
 */
export async function recordRefusalsOnce(
  db: Db,
  { writer, batch }: { writer: string; batch: number },
  refusals: readonly CountedRefusals[],
): Promise<void> {
  const values = [writer, batch, encodeRefusals(refusals)]
  await db.$client.query({ name: 'record-refusals-once', text: onceText, values })
}

/** What `record_refusals` takes. What a peer has made up is cut to size, and to what a database can hold. */
export function encodeRefusals(refusals: readonly CountedRefusals[]): string {
  return JSON.stringify(
    refusals.map(({ certificate, proven = false, alert = false, ...refusal }) => ({
      fleet: clean(refusal.fleet, maxText.name),
      device: clean(refusal.device, maxText.name),
      code: refusal.code,
      address: clean(refusal.address, maxText.address),
      proven,
      alert,
      detail: clean(refusal.detail, maxText.detail),
      subject: clean(certificate?.subject, maxText.subject),
      serial: clean(certificate?.serial, maxText.serial),
      issuer: clean(certificate?.issuer, maxText.issuer),
      fingerprint: clean(certificate?.fingerprint, maxText.fingerprint),
      count: refusal.count,
      first_at: refusal.firstAt,
      last_at: refusal.lastAt,
    })),
  )
}

function clean(text: string | undefined, length: number): string {
  const readable = (text ?? '').slice(0, 2 * length).replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
  const cut = readable.length > length ? `${readable.slice(0, length - 1)}…` : readable
  // Half a character is nothing that PostgreSQL takes.
  return cut.toWellFormed()
}
