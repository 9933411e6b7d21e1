import type { Alias } from './aliases.ts'
import { encodePublish, type Frame } from './encode-publish.ts'
import type { Match, Message, Qos } from './message.ts'

/** How a message goes to one connection. */
export interface Send {
  version: 4 | 5
  qos: Qos
  retain: boolean
  dup: boolean
  identifiers: readonly number[]
  alias?: Alias | undefined
}

/** Up to here a frame is copied whole to patch its packet id; above, the part after the id is shared. */
const copiedBytes = 2_048

/** One message on its way to many: encoded once for each form in which it is sent. */
export class FanOut {
  readonly message: Message
  readonly #frames = new Map<string, Frame>()

  constructor(message: Message) {
    this.message = message
  }

  isExpired(now: number): boolean {
    const { messageExpiry } = this.message
    return messageExpiry !== undefined && messageExpiry <= now
  }

  frame(send: Send, now: number): Frame {
    const { messageExpiry } = this.message
    const { version, qos, retain, dup, identifiers, alias } = send
    // [MQTT-3.3.2-6]
    const expirySeconds =
      messageExpiry === undefined ? undefined : Math.max(1, Math.ceil((messageExpiry - now) / 1_000))
    const form = `${version}${qos}${retain ? 'r' : ''}${dup ? 'd' : ''},${expirySeconds ?? ''},${identifiers.join()},${alias ? `${alias.id}${alias.isKnown}` : ''}`
    let frame = this.#frames.get(form)
    if (!frame) {
      frame = encodePublish(this.message, { version, qos, retain, dup, identifiers, expirySeconds, alias })
      this.#frames.set(form, frame)
    }
    return frame
  }
}

/** The frame with a packet id of its own, in one or two pieces. */
export function withPacketId({ bytes, idOffset }: Frame, id: number): Buffer[] {
  const end = bytes.length <= copiedBytes ? bytes.length : idOffset + 2
  const head = Buffer.allocUnsafe(end)
  bytes.copy(head, 0, 0, end)
  head.writeUInt16BE(id, idOffset)
  return end === bytes.length ? [head] : [head, bytes.subarray(end)]
}

const noIdentifiers: readonly number[] = []

export function matchOf({
  qos,
  rap,
  subscriptionIdentifier,
}: {
  qos: Qos
  rap?: boolean | undefined
  subscriptionIdentifier?: number | undefined
}): Match {
  const identifiers = subscriptionIdentifier === undefined ? noIdentifiers : [subscriptionIdentifier]
  return { qos, retainAsPublished: rap === true, identifiers }
}

/** What two subscriptions of one subscriber make together. [MQTT-3.3.5-1] */
export function merge(one: Match, other: Match): Match {
  return {
    qos: Math.max(one.qos, other.qos) as Qos,
    retainAsPublished: one.retainAsPublished || other.retainAsPublished,
    identifiers: [...one.identifiers, ...other.identifiers],
  }
}
