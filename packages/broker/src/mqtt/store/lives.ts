import { MusterError } from '@muster/contracts'
import type { Limits } from '../../limits.ts'
import type { Journal, Write } from './journal.ts'
import { type KeptSession, newSession, recordOfSession, type Subscription } from './kept-session.ts'
import type { Queues } from './queues.ts'
import {
  encodeRecord,
  type FilterRecord,
  filterRecordKey,
  receivedRecordKey,
  sessionRecordKey,
  willRecordKey,
} from './records.ts'
import type { State } from './state.ts'

export interface SessionOptions {
  /** 0: it ends with its connection, and nothing is kept of it unless something was. */
  expirySeconds?: number
  /** The bounds of its policy, where that has some. */
  queuedMessages?: number | undefined
  queuedBytes?: number | undefined
}

/** Until when the session of one that is away is kept; undefined: there is none any more. */
export type OnKept = (key: string, endsAt: number | undefined) => void

const maxLevels = 100

/** When sessions begin and end, and what they are subscribed to. */
export class Lives {
  readonly #state: State
  readonly #journal: Journal
  readonly #queues: Queues
  readonly #limits: Limits
  readonly #now: () => number
  readonly #onKept: OnKept

  constructor(options: {
    state: State
    journal: Journal
    queues: Queues
    limits: Limits
    now(): number
    onKept: OnKept
  }) {
    this.#state = options.state
    this.#journal = options.journal
    this.#queues = options.queues
    this.#limits = options.limits
    this.#now = options.now
    this.#onKept = options.onKept
  }

  /** Answers whether there was one to go on with. */
  async open(key: string, fresh: boolean, options: SessionOptions = {}): Promise<boolean> {
    const { sessions, sessionEnds } = this.#state
    const { expirySeconds = this.#limits.sessionExpirySeconds, queuedMessages, queuedBytes } = options
    if (fresh) await this.end(key)
    const before = sessions.get(key)
    if (!before && expirySeconds === 0) return false
    const session = before ?? newSession(key)
    sessions.set(key, session)
    sessionEnds.set(session, undefined)
    Object.assign(session, { connected: true, endsAt: undefined, expirySeconds, queuedMessages, queuedBytes })
    this.#journal.note(this.#put(session))
    return before !== undefined
  }

  /** The bounds of its policy have changed. */
  bound(key: string, { queuedMessages, queuedBytes }: Pick<SessionOptions, 'queuedMessages' | 'queuedBytes'>): void {
    const session = this.#state.sessions.get(key)
    if (!session || (session.queuedMessages === queuedMessages && session.queuedBytes === queuedBytes)) return
    Object.assign(session, { queuedMessages, queuedBytes })
    this.#journal.note(this.#put(session))
  }

  /** The connection is gone. */
  async close(key: string, expirySeconds: number): Promise<void> {
    if (expirySeconds === 0) return this.end(key)
    const session = this.#state.sessions.get(key)
    if (!session) return
    session.connected = false
    session.expirySeconds = Math.min(expirySeconds, this.#limits.sessionExpirySeconds)
    session.endsAt = this.#now() + session.expirySeconds * 1_000
    this.#state.sessionEnds.set(session, session.endsAt)
    this.#journal.note(this.#put(session))
    this.#onKept(key, session.endsAt)
  }

  /** Resolves when nothing is left of it on disk either. */
  async end(key: string): Promise<void> {
    if (this.forget(key)) await this.#journal.flush()
  }

  /** Ends it in memory, and soon on disk. Answers whether there was one. */
  forget(key: string): boolean {
    const { sessions, subscriptions, sessionEnds } = this.#state
    const session = sessions.get(key)
    if (!session) return false
    session.gone = true
    sessions.delete(key)
    sessionEnds.set(session, undefined)
    this.#onKept(key, undefined)
    for (const subscription of session.subscriptions) subscriptions.remove(subscription)
    const records = [
      sessionRecordKey(key),
      ...session.subscriptions.map(({ topic }) => filterRecordKey(key, topic)),
      ...[...(session.received ?? [])].map((packetId) => receivedRecordKey(key, packetId)),
    ]
    this.#journal.note(...records.map((one) => ({ type: 'del', key: one }) as const), ...this.#queues.clear(session))
    return true
  }

  forgetWill(key: string): void {
    if (this.#state.wills.delete(key)) this.#journal.note({ type: 'del', key: willRecordKey(key) })
  }

  /** Everything of the session, from memory and from disk. @throws MusterError when the disk fails; to be called again then */
  async purge(key: string): Promise<void> {
    // What was on its way to the disk has come to rest after the first round, and is gone after the second.
    for (let round = 0; round < 2; round++) {
      this.forget(key)
      this.forgetWill(key)
      await this.#journal.flush()
    }
  }

  endExpired(): void {
    for (const session of this.#state.sessionEnds.takeDue(this.#now())) if (!session.connected) this.forget(session.key)
  }

  async subscribe(key: string, wanted: readonly ({ topic: string } & FilterRecord)[]): Promise<void> {
    const session = this.#state.sessions.get(key)
    if (!session) return
    const all = wanted.map(({ topic, qos, rh, rap, nl, subscriptionIdentifier }): Subscription => {
      if (topic.split('/', maxLevels + 1).length > maxLevels)
        throw new MusterError('request-invalid', `a filter has ${maxLevels} levels at most`)
      return { topic, clientId: key, qos, rh, rap, nl, ...(subscriptionIdentifier && { subscriptionIdentifier }) }
    })
    await this.#journal.propose({
      writes: all.map((one) => putFilter(one)),
      apply: () => {
        for (const one of all) this.#subscribed(session, one)
      },
      undo: () => all.map((one) => putFilter(session.gone ? undefined : find(session, one.topic), one)),
    })
  }

  async unsubscribe(key: string, filters: readonly string[]): Promise<void> {
    const session = this.#state.sessions.get(key)
    const removed = session?.subscriptions.filter(({ topic }) => filters.includes(topic)) ?? []
    if (!session || removed.length === 0) return
    session.subscriptions = session.subscriptions.filter((one) => !removed.includes(one))
    for (const one of removed) this.#state.subscriptions.remove(one)
    this.#journal.note(...removed.map((one) => putFilter(undefined, one)))
    await this.#journal.flush()
  }

  #subscribed(session: KeptSession, subscription: Subscription) {
    if (session.gone) return this.#journal.note(putFilter(undefined, subscription))
    const before = find(session, subscription.topic)
    if (before) {
      session.subscriptions[session.subscriptions.indexOf(before)] = subscription
      this.#state.subscriptions.remove(before)
    } else session.subscriptions.push(subscription)
    this.#state.subscriptions.add(subscription)
  }

  #put(session: KeptSession): Write {
    return { type: 'put', key: sessionRecordKey(session.key), value: encodeRecord(recordOfSession(session)) }
  }
}

const find = ({ subscriptions }: KeptSession, filter: string) => subscriptions.find(({ topic }) => topic === filter)

/** The record of `subscription` as it is to be: there, or not. */
function putFilter(kept: Subscription | undefined, subscription: Subscription | undefined = kept): Write {
  const key = filterRecordKey(subscription?.clientId ?? '', subscription?.topic ?? '')
  if (!kept) return { type: 'del', key }
  const { topic: _, clientId: __, ...record } = kept
  return { type: 'put', key, value: encodeRecord(record) }
}
