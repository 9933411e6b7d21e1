import type { Limits } from '../limits.ts'

/** What aedes keeps of a message that must reach one client. */
export interface QueuedPacket {
  brokerId: string
  brokerCounter: number
  messageId?: number | undefined
  payload?: string | Buffer | undefined
}

/** The messages for one client that it has not acknowledged, in order and bounded. */
export class OutgoingQueue<Packet extends QueuedPacket> {
  readonly packets: Packet[] = []
  readonly #limits: Limits
  #bytes = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Answers false when there is no room: what is queued already keeps its place and its order. */
  add(packet: Packet): boolean {
    const { queuedMessages, queuedBytes } = this.#limits
    const size = sizeOf(packet)
    if (this.packets.length >= queuedMessages || this.#bytes + size > queuedBytes) return false
    this.packets.push(packet)
    this.#bytes += size
    return true
  }

  /** Notes the packet id of a message, or replaces a message by the release that follows it (QoS 2). */
  update(packet: Packet): void {
    const index = this.packets.findIndex((queued) =>
      queued.brokerId === packet.brokerId
        ? queued.brokerCounter === packet.brokerCounter
        : queued.messageId === packet.messageId,
    )
    const queued = this.packets[index]
    if (!queued) return
    if (queued.brokerId === packet.brokerId) queued.messageId = packet.messageId
    else {
      this.#bytes += sizeOf(packet) - sizeOf(queued)
      this.packets[index] = packet
    }
  }

  /** Without a packet id the message itself is meant: it was never sent. */
  remove(packet: QueuedPacket): Packet | undefined {
    const index = this.packets.findIndex((queued) =>
      packet.messageId === undefined
        ? queued.brokerId === packet.brokerId && queued.brokerCounter === packet.brokerCounter
        : queued.messageId === packet.messageId,
    )
    if (index < 0) return undefined
    const [removed] = this.packets.splice(index, 1)
    if (removed) this.#bytes -= sizeOf(removed)
    return removed
  }
}

function sizeOf({ payload }: QueuedPacket): number {
  return payload === undefined ? 0 : Buffer.byteLength(payload)
}
