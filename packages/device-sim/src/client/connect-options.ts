import type { Duplex } from 'node:stream'
import type { SecureContext } from 'node:tls'
import type { Connection } from './connection.ts'
import type { ConnectPacket } from './encode.ts'
import type { Answer } from './read-answer.ts'

export interface ConnectionOptions extends ConnectPacket {
  host: string
  port: number
  servername: string
  secureContext: SecureContext
  /** What the connection goes over, where it is not TCP to `host`. */
  over?: Duplex | undefined
  /** 127.0.0.x: each has ports of its own, so that a machine can have more than 28,000 connections to one listener. */
  localAddress?: string
  /** A TLS session to resume. */
  session?: Buffer | undefined
  /** Sent right behind the CONNECT, as somebody does who does not wait to be admitted. */
  pipelined?: Buffer
  timeoutMs: number
  /** Ends the attempt. */
  signal?: AbortSignal | undefined
}

/** One object for many connections, or for each its owner: nothing here is kept by a connection but that object. */
export interface ConnectionEvents {
  /** Flags and the body's place, as in a packet: most callers only count. */
  message?(connection: Connection, flags: number, bytes: Buffer, start: number, end: number): void
  /** Of a message that `publish` has sent; milliseconds since then. */
  acknowledged?(connection: Connection, reasonCode: number, ms: number): void
  /** What is said to a message that was sent with `send`: `puback`, `pubrec` or `pubcomp` of `packetTypes`. */
  answered?(connection: Connection, type: number, messageId: number, answer: Answer): void
  /** Not called for what `close()` ends, nor before CONNACK. */
  closed?(connection: Connection, reasonCode: number | undefined, reason: string): void
  session?(connection: Connection, session: Buffer): void
}

/** What CONNACK said, or else why there was none. */
export class ConnectFailure extends Error {
  readonly reasonCode: number | undefined
  readonly reason: string

  constructor(message: string, reasonCode?: number, reason = '') {
    super(message)
    this.reasonCode = reasonCode
    this.reason = reason
  }
}

export function tlsOptions({ host, port, servername, secureContext, localAddress, session, over }: ConnectionOptions) {
  return {
    ...{ host, port, secureContext },
    // RFC 6066 §3: an address is no server name. It is still what the certificate must be for.
    ...(/^[\d.]+$|:/.test(servername) ? {} : { servername }),
    ...(over ? { socket: over } : {}),
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(session === undefined ? {} : { session }),
  }
}
