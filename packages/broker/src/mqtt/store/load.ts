import type { Limits } from '../../limits.ts'
import type { Write } from './journal.ts'
import { type KeptSession, newSession, type Subscription } from './kept-session.ts'
import { damaged, type Level } from './open-level.ts'
import { isExpired } from './packet.ts'
import { Queue } from './queue.ts'
import {
  aliveEveryMs,
  aliveKey,
  decodeBody,
  decodeQueued,
  decodeRecord,
  type FilterRecord,
  kinds,
  messageRecordKey,
  parseSeq,
  retainedRecordKey,
  type SessionRecord,
  splitKey,
  states,
} from './records.ts'
import { emptyState, type State } from './state.ts'

const slice = 1_000
type Visit = (key: string, value: Buffer) => void

/** Reads what was kept, without the bodies of queued messages; `stale` is what does not belong there any more. */
export async function loadState(options: {
  level: Level
  limits: Limits
  now: number
}): Promise<{ state: State; stale: Write[] }> {
  const { level, limits, now } = options
  const state = emptyState(level, limits, now)
  const stale: Write[] = []
  const unheld = new Set<number>()
  const drop = (key: string) => stale.push({ type: 'del', key })
  try {
    const alive = await level.get<string, string>(aliveKey, { valueEncoding: 'utf8' })
    const visits = visitors({ state, drop, now, aliveAt: Number(alive ?? now), unheld })
    for (const kind of ['session', 'filter', 'queued', 'received', 'will', 'retained'] as const)
      await eachRecord(level, kinds[kind], visits[kind])
    for (const id of unheld) if (!state.messages.find(id)) drop(messageRecordKey(id))
  } catch (error) {
    throw damaged(level.location, error)
  }
  return { state, stale }
}

export async function eachRecord(level: Level, prefix: string, visit: Visit): Promise<void> {
  // The next character after the slash: everything below the prefix sorts before it.
  const range = { gte: prefix, lt: `${prefix.slice(0, -1)}0`, valueEncoding: 'buffer', fillCache: false } as const
  const iterator = level.iterator<string, Buffer>(range)
  try {
    for (let records = await iterator.nextv(slice); records.length > 0; records = await iterator.nextv(slice))
      for (const [key, value] of records) visit(key, value)
  } finally {
    await iterator.close()
  }
}

interface Loading {
  state: State
  drop(key: string): void
  now: number
  /** Whoever was connected when the process ended has been away since then. */
  aliveAt: number
  /** Publications that stood in a queue which is no more. */
  unheld: Set<number>
}

function visitors(loading: Loading): Record<Exclude<keyof typeof kinds, 'message'>, Visit> {
  const { state, drop, now, aliveAt } = loading
  const ownerOf = (key: string): KeptSession | undefined => {
    const owner = state.sessions.get(splitKey(key)[0])
    if (!owner) drop(key)
    return owner
  }

  return {
    session(recordKey, value) {
      const record = decodeRecord<SessionRecord>(recordKey, value)
      // One that ends with its connection has ended with the process.
      const lastedUntil = Math.min(aliveAt + aliveEveryMs, now)
      const endsAt = record.endsAt ?? lastedUntil + record.expirySeconds * 1_000
      if (endsAt <= now) return drop(recordKey)
      const session = newSession(recordKey.slice(kinds.session.length), { ...record, endsAt })
      state.sessions.set(session.key, session)
      state.sessionEnds.set(session, endsAt)
    },

    filter(recordKey, value) {
      const session = ownerOf(recordKey)
      if (!session) return
      const [clientId, topic] = splitKey(recordKey)
      const subscription: Subscription = { ...decodeRecord<FilterRecord>(recordKey, value), topic, clientId }
      session.subscriptions.push(subscription)
      state.subscriptions.add(subscription)
    },

    queued: (recordKey, value) => loadQueued(loading, recordKey, value, ownerOf(recordKey)),

    received(recordKey) {
      const session = ownerOf(recordKey)
      if (!session) return
      session.received ??= new Set()
      session.received.add(Number(splitKey(recordKey)[1]))
    },

    will(recordKey, value) {
      const key = recordKey.slice(kinds.will.length)
      const { more, ...body } = decodeBody(recordKey, value)
      state.wills.set(key, { key, body, holder: more })
    },

    retained(recordKey, value) {
      const { more: _, ...body } = decodeBody(recordKey, value)
      if (isExpired(body.messageExpiry, now) || recordKey !== retainedRecordKey(body.topic)) return drop(recordKey)
      state.retainedEnds.set(state.retained.set(body), body.messageExpiry)
    },
  }
}

function loadQueued(
  { state, drop, now, unheld }: Loading,
  recordKey: string,
  value: Buffer,
  session: KeptSession | undefined,
) {
  const record = decodeQueued(recordKey, value)
  const { message: id, bytes, expiresAt } = record
  const seq = parseSeq(splitKey(recordKey)[1])
  const isReleased = record.state === states.released
  state.seq = Math.max(state.seq, seq)
  state.lastMessage = Math.max(state.lastMessage, id)
  if (!session || (record.state === states.queued && isExpired(expiresAt, now))) {
    if (session) drop(recordKey)
    if (!isReleased) unheld.add(id)
    return
  }
  const known = { bytes, expiresAt, body: undefined }
  const message = isReleased ? { id, holders: 0, ...known } : (state.messages.find(id) ?? state.messages.add(id, known))
  if (!isReleased) state.messages.hold(message)
  session.queue ??= new Queue()
  session.queue.add({ ...record, seq, message })
  state.queued += 1
}
