import type { PublishPacket } from '../guard/packets.ts'
import { Violation } from '../guard/violation.ts'
import { reasonCodes } from '../reason-codes.ts'

/** Of one connection. [MQTT-3.3.2-7] [MQTT-3.3.2-8] [MQTT-3.3.2-9] */
export class TopicAliases {
  #topics: Map<number, string> | undefined
  readonly #maximum: number

  constructor(maximum: number) {
    this.#maximum = maximum
  }

  /** Gives the packet its topic, and takes the alias from it: it goes no further. */
  resolve(packet: PublishPacket, alias: number): void {
    const invalid = (why: string) => new Violation(reasonCodes.topicAliasInvalid, why)
    if (alias === 0 || alias > this.#maximum) throw invalid(`topic aliases are 1 to ${this.#maximum}`)
    if (packet.topic === '') {
      const topic = this.#topics?.get(alias)
      if (topic === undefined) throw invalid(`topic alias ${alias} stands for nothing yet`)
      packet.topic = topic
    } else {
      this.#topics ??= new Map()
      this.#topics.set(alias, packet.topic)
    }
    const { topicAlias: _, ...properties } = packet.properties ?? {}
    packet.properties = properties
  }
}
