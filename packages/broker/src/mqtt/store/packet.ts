/** A publication as it goes through aedes. */
export interface StoredPacket {
  cmd: string
  brokerId: string
  /** Names the publication: unique for the life of the store. */
  brokerCounter: number
  topic: string
  payload: Buffer | string
  qos: 0 | 1 | 2
  retain: boolean
  dup: boolean
  messageId?: number | undefined
  properties?: Properties | undefined
  /** When it expires, in milliseconds since the epoch. */
  messageExpiry?: number | undefined
  /** Who published it. */
  clientId?: string
}

export type Properties = Record<string, unknown>

/** What of a publication is the same for all who receive it. */
export interface Body {
  topic: string
  payload: Buffer
  qos: 0 | 1 | 2
  retain: boolean
  properties: Properties | undefined
  messageExpiry: number | undefined
  /** Who published it. */
  clientId?: string | undefined
}

/** The parser's payload is a piece of a larger buffer, which would be kept with it. */
export function readBody(packet: StoredPacket): Body {
  const { topic, payload, qos, retain, properties, messageExpiry, clientId } = packet
  return { topic, payload: Buffer.from(payload), qos, retain, properties, messageExpiry, clientId }
}

export function sizeOf({ topic, payload }: Body): number {
  return topic.length + payload.length
}

export function isExpired(messageExpiry: number | undefined, now: number): boolean {
  return messageExpiry !== undefined && messageExpiry <= now
}
