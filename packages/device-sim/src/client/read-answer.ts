import type { Version } from './encode.ts'

/** What CONNACK, DISCONNECT, and the answers to PUBLISH say. */
export interface Answer {
  reasonCode: number
  /** Where the broker gives its reason in words (MQTT 5). */
  reason: string
}

const reasonStringId = 0x1f
/** MQTT 5 §2.2.2.2: how long the value of each property is; texts and binary data carry their length. */
const sizes: Record<number, number> = {
  ...{ 1: 1, 2: 4, 17: 4, 19: 2, 23: 1, 24: 4, 25: 1, 33: 2, 34: 2, 35: 2, 36: 1, 37: 1 },
  ...{ 39: 4, 40: 1, 41: 1, 42: 1 },
}
const userPropertyId = 0x26

export function readConnack(bytes: Buffer, start: number, end: number, version: Version) {
  const answer = readFrom(bytes, start + 1, end, version)
  return { ...answer, sessionPresent: ((bytes[start] ?? 0) & 1) === 1 }
}

/** After the packet id; a code that is left out is 0. */
export function readAnswer(bytes: Buffer, start: number, end: number, version: Version): Answer {
  return readFrom(bytes, start + 2, end, version)
}

export function readDisconnect(bytes: Buffer, start: number, end: number, version: Version): Answer {
  return readFrom(bytes, start, end, version)
}

/** The payload of a SUBACK begins behind the packet id, and with MQTT 5 behind the properties. */
export function readFirstGrant(bytes: Buffer, start: number, end: number, version: Version): number {
  if (version === 4) return bytes[start + 2] ?? 0xff
  let at = start + 2
  let length = 0
  for (let shift = 0; at < end; shift += 7) {
    const byte = bytes[at++] ?? 0
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) break
  }
  return bytes[at + length] ?? 0xff
}

function readFrom(bytes: Buffer, at: number, end: number, version: Version): Answer {
  const reasonCode = at < end ? (bytes[at] ?? 0) : 0
  const reason = version === 5 && reasonCode !== 0 ? findReasonString(bytes, at + 1, end) : ''
  return { reasonCode, reason }
}

function findReasonString(bytes: Buffer, at: number, end: number): string {
  let index = at
  // The length of the properties: they end with the packet anyway.
  while (index < end && (bytes[index] ?? 0) >= 0x80) index += 1
  for (index += 1; index + 2 < end; ) {
    const id = bytes[index] ?? 0
    index += 1
    const size = sizes[id]
    if (size !== undefined) {
      index += size
      continue
    }
    const textEnd = index + 2 + bytes.readUInt16BE(index)
    if (id === reasonStringId) return bytes.toString('utf8', index + 2, Math.min(textEnd, end))
    index = textEnd
    if (id === userPropertyId && index + 2 <= end) index += 2 + bytes.readUInt16BE(index)
  }
  return ''
}
