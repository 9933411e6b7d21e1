/** What a client may send, decoded. The shape is mqtt-packet's, but for the user properties, which keep their order. */

export type Qos = 0 | 1 | 2
/** As they came. [MQTT-3.3.2-18] */
export type UserProperties = [name: string, value: string][]

// Not an interface: those have no index signature, which the store asks for.
export type Properties = {
  payloadFormatIndicator?: boolean
  messageExpiryInterval?: number
  contentType?: string
  responseTopic?: string
  correlationData?: Buffer
  subscriptionIdentifier?: number
  sessionExpiryInterval?: number
  authenticationMethod?: string
  authenticationData?: Buffer
  requestProblemInformation?: boolean
  willDelayInterval?: number
  requestResponseInformation?: boolean
  reasonString?: string
  receiveMaximum?: number
  topicAliasMaximum?: number
  topicAlias?: number
  userProperties?: UserProperties
  maximumPacketSize?: number
}

/** `length`: as the fixed header has it. */
interface Incoming {
  length: number
  properties?: Properties | undefined
}

export interface Will {
  topic: string
  payload: Buffer
  qos: Qos
  retain: boolean
  properties?: Properties | undefined
}

export interface ConnectPacket extends Incoming {
  cmd: 'connect'
  protocolId: 'MQTT'
  protocolVersion: 4 | 5
  clean: boolean
  keepalive: number
  clientId: string
  username?: string
  password?: Buffer
  will?: Will
}

export interface PublishPacket extends Incoming {
  cmd: 'publish'
  /** Empty where a topic alias stands for it. */
  topic: string
  payload: Buffer
  qos: Qos
  retain: boolean
  dup: boolean
  messageId: number | undefined
}

export interface AcknowledgePacket extends Incoming {
  cmd: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp'
  messageId: number
  reasonCode: number
}

export interface SubscribePacket extends Incoming {
  cmd: 'subscribe'
  messageId: number
  subscriptions: { topic: string; qos: Qos; nl?: boolean; rap?: boolean; rh?: number }[]
}

export interface UnsubscribePacket extends Incoming {
  cmd: 'unsubscribe'
  messageId: number
  unsubscriptions: string[]
}

export interface PingPacket extends Incoming {
  cmd: 'pingreq'
}

export interface DisconnectPacket extends Incoming {
  cmd: 'disconnect'
  reasonCode: number
}

export type ClientPacket =
  | ConnectPacket
  | PublishPacket
  | AcknowledgePacket
  | SubscribePacket
  | UnsubscribePacket
  | PingPacket
  | DisconnectPacket
