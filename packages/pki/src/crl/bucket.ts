/**
 * Encoded entries, one after the other. What has been written stays as it is: entries are appended behind it or the buffer is
 * replaced, so that a CRL made of views goes on being valid.
 */
export interface Bucket {
  bytes: Buffer
  used: number
  count: number
  /** Seconds since 1970, one for each entry. */
  notAfter: Uint32Array
  /** A hash of each entry's serial number: to find one, the entries themselves need not be walked through. */
  tags: Uint16Array
}

export interface BucketEntry {
  /** The INTEGER. */
  serial: Uint8Array
  encoded: Uint8Array
  notAfter: number
  tag: number
}

const leastCapacity = 256

export function createBucket(): Bucket {
  return { bytes: Buffer.alloc(0), used: 0, count: 0, notAfter: new Uint32Array(0), tags: new Uint16Array(0) }
}

export function appendEntry(bucket: Bucket, { encoded, notAfter, tag }: BucketEntry): void {
  const needed = bucket.used + encoded.length
  // By an eighth: little memory is unused, and each entry is copied about eight times while a million are added.
  if (needed > bucket.bytes.length) bucket.bytes = grow(bucket, needed + Math.max(needed >> 3, leastCapacity))
  bucket.bytes.set(encoded, bucket.used)
  bucket.used = needed
  if (bucket.count === bucket.notAfter.length) {
    const length = bucket.count + Math.max(bucket.count >> 3, 4)
    const { notAfter, tags } = bucket
    bucket.notAfter = new Uint32Array(length)
    bucket.notAfter.set(notAfter)
    bucket.tags = new Uint16Array(length)
    bucket.tags.set(tags)
  }
  bucket.notAfter[bucket.count] = notAfter
  bucket.tags[bucket.count] = tag
  bucket.count++
}

function grow({ bytes, used }: Bucket, capacity: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(capacity)
  bytes.copy(larger, 0, 0, used)
  return larger
}

export interface FoundEntry {
  index: number
  encoded: Buffer
}

export function findEntry(
  bucket: Bucket,
  { serial, tag }: Pick<BucketEntry, 'serial' | 'tag'>,
): FoundEntry | undefined {
  const { bytes, tags, count } = bucket
  for (let index = tags.indexOf(tag); index >= 0 && index < count; index = tags.indexOf(tag, index + 1)) {
    const at = offsetOf(bucket, index)
    // Behind the two octets of the header; `serial` has its own length in it.
    if (serial.every((octet, i) => bytes[at + 2 + i] === octet))
      return { index, encoded: bytes.subarray(at, at + entryLength(bytes, at)) }
  }
  return undefined
}

/** A SEQUENCE is never as long as 128 octets here. */
const entryLength = (bytes: Buffer, at: number): number => 2 + (bytes[at + 1] ?? 0)

function offsetOf({ bytes }: Bucket, index: number): number {
  let at = 0
  for (let i = 0; i < index; i++) at += entryLength(bytes, at)
  return at
}

/** Drops entries into new buffers; returns how many. */
export function dropEntries(bucket: Bucket, drops: (index: number, notAfter: number) => boolean): number {
  const { bytes, count } = bucket
  const notAfter = new Uint32Array(count)
  const tags = new Uint16Array(count)
  const ends: number[] = []
  let used = 0
  let kept = 0
  for (let at = 0, index = 0; index < count; index++) {
    const end = at + entryLength(bytes, at)
    const until = bucket.notAfter[index] ?? 0
    if (!drops(index, until)) {
      // What is kept is copied by stretches: start, end, start, end …
      if (ends.at(-1) === at) ends[ends.length - 1] = end
      else ends.push(at, end)
      used += end - at
      notAfter[kept] = until
      tags[kept++] = bucket.tags[index] ?? 0
    }
    at = end
  }
  bucket.bytes = Buffer.allocUnsafeSlow(used)
  bucket.used = 0
  for (let i = 0; i < ends.length; i += 2)
    bucket.used += bytes.copy(bucket.bytes, bucket.used, ends[i] ?? 0, ends[i + 1] ?? 0)
  bucket.notAfter = notAfter.slice(0, kept)
  bucket.tags = tags.slice(0, kept)
  bucket.count = kept
  return count - kept
}
