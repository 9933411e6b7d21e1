import { extension } from '../certificate/extensions.ts'
import { oids } from '../der/oids.ts'
import { encodeDer, enumerated, sequence, time } from '../der/writer.ts'
import { appendEntry, type Bucket, createBucket, dropEntries, findEntry } from './bucket.ts'
import { type CrlReason, reasonCode } from './reason.ts'
import { encodeSerial } from './serial.ts'

export interface RevokedCertificate {
  /** Lower-case hex. */
  serial: string
  revokedAt: Date
  reason?: CrlReason
  /** The end of the certificate: it leaves the list some time after. */
  notAfter: Date
}

/** The entries of one CRL, kept as they are written: a new CRL costs its hash and signature, whatever its size. */
export interface CrlEntries {
  readonly size: number
  readonly byteLength: number
  /** Adds or replaces the entry of a serial number; false where it is already there, word for word. */
  add(revoked: RevokedCertificate): boolean
  /** For a certificate that is no longer on hold. */
  remove(serial: string): boolean
  has(serial: string): boolean
  /**
   * Drops what expired before `at`, and returns how many. RFC 5280 §3.3: an entry appears on one CRL after its certificate's
   * end; so `at` is not later than `thisUpdate` of the last published CRL.
   */
  removeExpired(at: Date): number
  /** What there is at this moment; later changes do not show in it. */
  snapshot(): Buffer[]
}

/** So many that one holds about 10 KiB when there are a million entries: quick to copy when something leaves it. */
const bucketCount = 4096

/** An empty list, or one of everything revoked so far. */
export function createCrlEntries(revoked: Iterable<RevokedCertificate> = []): CrlEntries {
  const buckets = new Array<Bucket | undefined>(bucketCount).fill(undefined)
  let size = 0
  let byteLength = 0

  const find = (hex: string) => {
    const serial = encodeSerial(hex)
    const hash = hashOf(serial)
    const index = hash % bucketCount
    const bucket = buckets[index] ?? createBucket()
    buckets[index] = bucket
    const tag = hash >>> 16
    return { serial, tag, bucket, found: findEntry(bucket, { serial, tag }) }
  }
  const drop = (bucket: Bucket, drops: (index: number, notAfter: number) => boolean): number => {
    const { used } = bucket
    const dropped = dropEntries(bucket, drops)
    size -= dropped
    byteLength -= used - bucket.used
    return dropped
  }

  const entries: CrlEntries = {
    get size() {
      return size
    },
    get byteLength() {
      return byteLength
    },
    add(revoked) {
      const { serial, tag, bucket, found } = find(revoked.serial)
      const encoded = encodeEntry(serial, revoked)
      const notAfter = expiryOf(revoked.notAfter)
      if (found?.encoded.equals(encoded)) return false
      if (found) drop(bucket, (index) => index === found.index)
      appendEntry(bucket, { serial, encoded, notAfter, tag })
      size++
      byteLength += encoded.length
      return true
    },
    remove(serial) {
      const { bucket, found } = find(serial)
      return found !== undefined && drop(bucket, (index) => index === found.index) > 0
    },
    has: (serial) => find(serial).found !== undefined,
    removeExpired(at) {
      const seconds = Math.floor(at.getTime() / 1000)
      let removed = 0
      for (const bucket of buckets)
        if (bucket && hasExpired(bucket, seconds)) removed += drop(bucket, (_, notAfter) => notAfter < seconds)
      return removed
    },
    snapshot: () =>
      buckets.flatMap((bucket) => (bucket && bucket.used > 0 ? [bucket.bytes.subarray(0, bucket.used)] : [])),
  }
  for (const one of revoked) entries.add(one)
  return entries
}

const reasons = new Map<CrlReason, Buffer>()

/** RFC 5280 §5.3.1: "should be absent instead of using the unspecified value". */
function encodeReason(reason: CrlReason): Buffer {
  let encoded = reasons.get(reason)
  if (!encoded) {
    const code = enumerated(reasonCode(reason))
    encoded = reason === 'unspecified' ? Buffer.alloc(0) : encodeDer(sequence(extension(oids.crlReason, code)))
    reasons.set(reason, encoded)
  }
  return encoded
}

function encodeEntry(serial: Buffer, { revokedAt, reason = 'unspecified' }: RevokedCertificate): Buffer {
  return encodeDer(sequence(serial, time(revokedAt), encodeReason(reason)))
}

/** Certificates without an end (RFC 5280 §4.1.2.5: 9999) and all after 2106 stay. */
function expiryOf(notAfter: Date): number {
  const seconds = Math.floor(notAfter.getTime() / 1000)
  if (!(seconds >= 0)) throw new RangeError('a certificate ends at some time after 1970')
  return Math.min(seconds, 0xffffffff)
}

function hasExpired({ notAfter, count }: Bucket, seconds: number): boolean {
  for (let i = 0; i < count; i++) if ((notAfter[i] ?? 0) < seconds) return true
  return false
}

/** FNV-1a: serial numbers of a foreign CA may count up, or differ in some octets only. */
function hashOf(bytes: Uint8Array): number {
  let hash = 0x811c9dc5
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193)
  return (hash ^ (hash >>> 15)) >>> 0
}
