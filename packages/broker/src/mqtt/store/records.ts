import { deserialize, serialize } from 'node:v8'
import { MusterError } from '@muster/contracts'
import type { Body } from './packet.ts'

/**
 * What stands in the database; `formatVersion` changes with it. A key is a letter, a slash, and what it is about; what belongs
 * to a session begins with its key and a NUL, which no key, topic or filter contains.
 */
export const formatVersion = '1'
export const versionKey = 'version'
/** When this node was last seen running. */
export const aliveKey = 'alive'
export const aliveEveryMs = 30_000

export const kinds = {
  session: 's/',
  filter: 'f/',
  queued: 'q/',
  received: 'i/',
  will: 'w/',
  message: 'm/',
  retained: 'r/',
} as const

const padded = (number: number) => number.toString(16).padStart(14, '0')
export const sessionRecordKey = (key: string) => `${kinds.session}${key}`
export const filterRecordKey = (key: string, filter: string) => `${kinds.filter}${key}\0${filter}`
export const queuedRecordKey = (key: string, seq: number) => `${kinds.queued}${key}\0${padded(seq)}`
export const receivedRecordKey = (key: string, packetId: number) => `${kinds.received}${key}\0${packetId}`
export const willRecordKey = (key: string) => `${kinds.will}${key}`
export const messageRecordKey = (id: number) => `${kinds.message}${padded(id)}`
export const retainedRecordKey = (topic: string) => `${kinds.retained}${topic}`

export const parseSeq = (text: string) => Number.parseInt(text, 16)

/** The two halves of a key of something that belongs to a session. */
export function splitKey(recordKey: string): [sessionKey: string, rest: string] {
  const end = recordKey.indexOf('\0')
  return [recordKey.slice(2, end), recordKey.slice(end + 1)]
}

export interface SessionRecord {
  expirySeconds: number
  /** Milliseconds since the epoch; null while it is connected. */
  endsAt: number | null
  /** The bounds of its policy, where that has some. */
  queuedMessages?: number | undefined
  queuedBytes?: number | undefined
}

export interface FilterRecord {
  qos: number
  rh?: number | undefined
  rap?: boolean | undefined
  nl?: boolean | undefined
  subscriptionIdentifier?: number | undefined
}

export const states = { queued: 0, sent: 1, released: 2 } as const
export type QueuedState = (typeof states)[keyof typeof states]

export interface QueuedRecord {
  message: number
  bytes: number
  expiresAt: number | undefined
  qos: 1 | 2
  retain: boolean
  identifiers: number[] | undefined
  packetId: number | undefined
  state: QueuedState
}

export const encodeRecord = (record: SessionRecord | FilterRecord) => JSON.stringify(record)

export function decodeRecord<Kind extends SessionRecord | FilterRecord>(key: string, bytes: Buffer): Kind {
  return readable(key, () => JSON.parse(bytes.toString()))
}

export function encodeQueued(entry: QueuedRecord): string {
  const { message, bytes, expiresAt, qos, retain, identifiers, packetId, state } = entry
  return JSON.stringify([message, bytes, expiresAt ?? 0, qos, retain ? 1 : 0, identifiers ?? 0, packetId ?? 0, state])
}

export function decodeQueued(key: string, text: Buffer): QueuedRecord {
  return readable(key, () => {
    const [message, bytes, expiresAt, qos, retain, identifiers, packetId, state] = JSON.parse(text.toString())
    return {
      ...{ message, bytes, qos, state },
      expiresAt: expiresAt || undefined,
      retain: retain === 1,
      identifiers: identifiers || undefined,
      packetId: packetId || undefined,
    }
  })
}

/** Properties hold bytes and lists as well as texts, and names that must not become prototypes. */
export function encodeBody(body: Body, more?: unknown): Buffer {
  const { topic, payload, qos, retain, properties, messageExpiry, clientId } = body
  return serialize([topic, payload, qos, retain, properties, messageExpiry, clientId, more])
}

export function decodeBody(key: string, bytes: Buffer): Body & { more: unknown } {
  return readable(key, () => {
    const [topic, payload, qos, retain, properties, messageExpiry, clientId, more] = deserialize(bytes)
    if (typeof topic !== 'string' || !Buffer.isBuffer(payload)) throw new TypeError('not a message')
    return { topic, payload, qos, retain, properties, messageExpiry, clientId, more }
  })
}

function readable<Value>(key: string, read: () => Value): Value {
  try {
    return read()
  } catch (cause) {
    throw new MusterError('internal', `the sessions on disk are damaged at ${JSON.stringify(key)}`, { cause })
  }
}
