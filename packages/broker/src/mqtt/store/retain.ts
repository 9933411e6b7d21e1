import { MusterError } from '@muster/contracts'
import type { Journal, Write } from './journal.ts'
import { type Body, readBody, type StoredPacket } from './packet.ts'
import { encodeBody, retainedRecordKey } from './records.ts'
import type { State } from './state.ts'

/** Stores retained messages; of a publication that is acknowledged, `takePending` answers what the acknowledgement waits for. */
export class Retain {
  readonly #state: State
  readonly #journal: Journal
  readonly #now: () => number
  readonly #onDropped: () => void
  readonly #pending = new WeakMap<object, Promise<void>>()

  constructor(options: { state: State; journal: Journal; now(): number; onDropped(): void }) {
    this.#state = options.state
    this.#journal = options.journal
    this.#now = options.now
    this.#onDropped = options.onDropped
  }

  /** Does not wait for the disk, so that what is published later does not overtake it. @throws MusterError `quota-exceeded` */
  store(packet: StoredPacket): void {
    const body = readBody(packet)
    const isEmpty = body.payload.length === 0
    const refused = isEmpty ? undefined : this.#state.retained.refuse(body)
    if (refused) throw new MusterError('quota-exceeded', refused)
    const stored = isEmpty ? this.#delete(body.topic) : this.#put(body)
    if (packet.qos > 0) this.#pending.set(packet, stored)
    stored.catch(packet.qos > 0 ? () => {} : this.#onDropped)
  }

  takePending(packet: object): Promise<void> | undefined {
    const pending = this.#pending.get(packet)
    this.#pending.delete(packet)
    return pending
  }

  deleteExpired(): void {
    for (const { body } of this.#state.retainedEnds.takeDue(this.#now())) {
      this.#state.retained.delete(body.topic)
      this.#journal.note({ type: 'del', key: retainedRecordKey(body.topic) })
    }
  }

  async #put(body: Body): Promise<void> {
    const { retained, retainedEnds } = this.#state
    await this.#journal.propose({
      writes: [putRetained(body)],
      apply: () => {
        const before = retained.find(body.topic)
        if (before) retainedEnds.set(before, undefined)
        // Others may have taken the room meanwhile: the quota holds, and this one is not kept.
        if (retained.refuse(body)) this.#journal.note(this.#asItIs(body.topic))
        else retainedEnds.set(retained.set(body), body.messageExpiry)
      },
      undo: () => [this.#asItIs(body.topic)],
    })
  }

  // [MQTT-3.3.1-6]
  async #delete(topic: string): Promise<void> {
    const { retained, retainedEnds } = this.#state
    await this.#journal.propose({
      writes: [{ type: 'del', key: retainedRecordKey(topic) }],
      apply() {
        const removed = retained.delete(topic)
        if (removed) retainedEnds.set(removed, undefined)
      },
      undo: () => [this.#asItIs(topic)],
      frees: true,
    })
  }

  #asItIs(topic: string): Write {
    const kept = this.#state.retained.find(topic)
    return kept ? putRetained(kept.body) : { type: 'del', key: retainedRecordKey(topic) }
  }
}

const putRetained = (body: Body): Write => ({
  type: 'put',
  key: retainedRecordKey(body.topic),
  value: encodeBody(body),
})
