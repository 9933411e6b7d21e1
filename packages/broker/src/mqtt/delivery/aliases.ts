/** A topic alias of a message that is about to be sent: with the topic's name the first time, in its place afterwards. */
export interface Alias {
  id: number
  isKnown: boolean
}

/** The topic aliases towards one client: the first topics of a connection have them for as long as it lasts. [MQTT-3.1.2-26] */
export class Aliases {
  readonly #maximum: number
  #ids: Map<string, number> | undefined

  constructor(maximum: number) {
    this.#maximum = maximum
  }

  find(topic: string): Alias | undefined {
    const id = this.#ids?.get(topic)
    if (id !== undefined) return { id, isKnown: true }
    const next = (this.#ids?.size ?? 0) + 1
    return next <= this.#maximum ? { id: next, isKnown: false } : undefined
  }

  /** It was sent together with the topic's name. */
  note(topic: string, { id }: Alias): void {
    this.#ids ??= new Map()
    this.#ids.set(topic, id)
  }
}
