import type { Queue } from './queue.ts'
import type { FilterRecord, SessionRecord } from './records.ts'

/** As aedes knows it; `clientId` is the session's key. */
export interface Subscription extends FilterRecord {
  readonly topic: string
  readonly clientId: string
}

/** A session that outlives its connection. There may be a million of them asleep: what is empty is absent. */
export interface KeptSession {
  readonly key: string
  subscriptions: Subscription[]
  queue: Queue | undefined
  /** Packet ids of QoS 2 messages that were received and not released yet. */
  received: Set<number> | undefined
  /** What is on its way to the disk, and counts towards the bounds. */
  waiting: { messages: number; bytes: number } | undefined
  /** It has ended: what is still under way for it comes to nothing. */
  gone: boolean
  connected: boolean
  expirySeconds: number
  /** When it ended last, if nobody comes back. */
  endsAt: number | undefined
  deadline: number | undefined
  queuedMessages: number | undefined
  queuedBytes: number | undefined
}

export function newSession(key: string, record: Partial<SessionRecord> = {}): KeptSession {
  const { expirySeconds = 0, endsAt, queuedMessages, queuedBytes } = record
  return {
    ...{ key, subscriptions: [], queue: undefined, received: undefined, waiting: undefined, gone: false },
    ...{
      connected: false,
      expirySeconds,
      endsAt: endsAt ?? undefined,
      deadline: undefined,
      queuedMessages,
      queuedBytes,
    },
  }
}

export function recordOfSession(session: KeptSession): SessionRecord {
  const { expirySeconds, endsAt, queuedMessages, queuedBytes } = session
  return { expirySeconds, endsAt: endsAt ?? null, queuedMessages, queuedBytes }
}
