import type { Version } from '../client/encode.ts'
import type { Percentiles } from '../measure/latency.ts'

/** PEM, and the name that is the client id. */
export interface Identity {
  id: string
  key: string
  cert: string
}

export interface Target {
  host: string
  port: number
  /** The name in the broker's certificate. */
  servername: string
  /** PEM */
  ca: string
  /** For the key exchange, as OpenSSL names them; its own choice if absent. */
  groups?: string
}

/** Which of the identities: from this index up to, not including, that one. */
export interface Range {
  from: number
  to: number
}

export interface ConnectSettings extends Range {
  /** At the same time, in all workers together. */
  concurrency: number
  version?: Version
  clean?: boolean
  keepAliveSeconds?: number
  /** Take up the TLS session of the connection before. */
  resume?: boolean
  timeoutMs?: number
}

export interface ConnectOutcome {
  connected: number
  resumed: number
  /** By reason. */
  failures: Record<string, number>
}

export interface PublishSettings extends Range {
  /** `{id}` stands for the client id, `{n}` for the number that it ends with. */
  topic: string
  qos: 0 | 1
  payloadBytes: number
  /** Messages of a connection that are not acknowledged. */
  window: number
  /** At which a window is filled again, so that a write carries several; 1: at once. */
  batch?: number
  forMs: number
}

export interface PublishOutcome {
  sent: number
  acknowledged: number
  /** Acknowledged with a reason code that says no. */
  refused: number
  /** Not acknowledged 10 s after the end either. */
  unanswered: number
  elapsedMs: number
  /** Milliseconds from a message to its acknowledgement; one worker's, where there are several the worst. */
  latency: Percentiles
}

export interface PacedSettings extends Range {
  topic: string
  qos: 0 | 1
  payloadBytes: number
  /** Of one connection; all of them are spread over it. */
  everyMs: number
}

export interface SubscribeSettings extends Range {
  filter: string
  qos: 0 | 1
}

export interface ReceivedCounts {
  /** By QoS. */
  received: [number, number]
  sent: number
  acknowledged: number
}

export interface Closing {
  id: string
  /** Nanoseconds of the machine's monotonic clock, comparable between processes. */
  at: bigint
  reasonCode: number | undefined
}

/** The last message that each connection has heard. */
export interface Heard {
  id: string
  at: bigint
  count: number
}

/** What a worker can be asked for: the input and the answer of each. */
export interface Commands {
  identities: {
    input: { target: Target; identities: Identity[]; offset: number; addresses: number }
    answer: undefined
  }
  connect: { input: ConnectSettings; answer: ConnectOutcome }
  /** Connects, waits for CONNACK, and closes; `rounds` times each. */
  churn: { input: ConnectSettings & { rounds: number }; answer: ConnectOutcome }
  subscribe: { input: SubscribeSettings; answer: { granted: number; refused: number } }
  publish: { input: PublishSettings; answer: PublishOutcome }
  startPaced: { input: PacedSettings; answer: undefined }
  stopPaced: { input: undefined; answer: undefined }
  counts: { input: undefined; answer: ReceivedCounts }
  closings: { input: undefined; answer: Closing[] }
  heard: { input: undefined; answer: Heard[] }
  close: { input: Range; answer: number }
}
export type CommandName = keyof Commands

export interface Request {
  seq: number
  name: CommandName
  input: unknown
}

export interface Reply {
  seq: number
  answer?: unknown
  error?: string
}
