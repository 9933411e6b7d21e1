import type { Message, Qos } from './message.ts'

/** A message that was sent and is not acknowledged to the end. */
export interface InFlight {
  id: number
  qos: Qos
  /** PUBREC has come: from now on PUBREL is all that is said. */
  isReleased: boolean
  /** Kept where another client may have it. */
  message: Message | undefined
}

/** The packet ids in use towards one client, in the order in which their messages went out. */
export class PacketIds {
  #entries: Map<number, InFlight> | undefined
  #last = 0

  get size(): number {
    return this.#entries?.size ?? 0
  }

  get(id: number): InFlight | undefined {
    return this.#entries?.get(id)
  }

  values(): Iterable<InFlight> {
    return this.#entries?.values() ?? []
  }

  /** A free one; it is taken by `add`. The last id of all asks whether a client is alive. [MQTT-2.2.1-4] */
  next(): number {
    do this.#last = this.#last === 65_534 ? 1 : this.#last + 1
    while (this.#entries?.has(this.#last))
    return this.#last
  }

  add(entry: InFlight): void {
    this.#entries ??= new Map()
    this.#entries.set(entry.id, entry)
  }

  delete(id: number): void {
    this.#entries?.delete(id)
    if (this.#entries?.size === 0) this.#entries = undefined
  }
}
