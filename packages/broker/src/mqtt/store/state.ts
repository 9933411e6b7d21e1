import type { Limits } from '../../limits.ts'
import { Deadlines } from './deadlines.ts'
import type { KeptSession } from './kept-session.ts'
import { Messages } from './messages.ts'
import type { Level } from './open-level.ts'
import type { Body } from './packet.ts'
import { type Retained, RetainedMessages } from './retained.ts'
import { SubscriptionIndex } from './subscriptions.ts'

export interface StoredWill {
  key: string
  body: Body
  /** Whose it is, as the registry is asked about it. */
  holder: unknown
}

/** All that is kept, as it is in memory; of queued messages only what is needed to find them. */
export interface State {
  sessions: Map<string, KeptSession>
  subscriptions: SubscriptionIndex
  messages: Messages
  retained: RetainedMessages
  wills: Map<string, StoredWill>
  sessionEnds: Deadlines<KeptSession>
  retainedEnds: Deadlines<Retained>
  /** The last number given to an entry of a queue. */
  seq: number
  /** The highest number of a publication in any queue. */
  lastMessage: number
  queued: number
}

export function emptyState(level: Level, limits: Limits, now: number): State {
  return {
    sessions: new Map(),
    subscriptions: new SubscriptionIndex(),
    messages: new Messages(level, limits.queueMemoryBytes),
    retained: new RetainedMessages(limits),
    wills: new Map(),
    sessionEnds: new Deadlines(now),
    retainedEnds: new Deadlines(now),
    ...{ seq: 0, lastMessage: 0, queued: 0 },
  }
}
