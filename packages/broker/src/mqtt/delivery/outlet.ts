import type { Client } from 'aedes'
import { generate, type Packet } from 'mqtt-packet'
import type { Limits } from '../../limits.ts'
import type { Session } from '../../sessions/session.ts'

/** Where the packets of one connection leave. */
export class Outlet {
  readonly client: Client
  readonly session: Session
  readonly #limits: Pick<Limits, 'outboundBytes'>
  /** Since when nothing of what waits has been taken, and by what that is known. */
  stuckSince = 0
  stuckAt = 0

  constructor(client: Client, session: Session, limits: Pick<Limits, 'outboundBytes'>) {
    this.client = client
    this.session = session
    this.#limits = limits
  }

  get id(): string {
    return this.session.clientId
  }

  get version(): 4 | 5 {
    return this.client.version === 5 ? 5 : 4
  }

  /** Bytes that the client has not taken. */
  get bytesWaiting(): number {
    return this.session.socket.writableLength
  }

  get isFull(): boolean {
    return this.bytesWaiting > this.#limits.outboundBytes
  }

  /** Anything but a PUBLISH. */
  send(packet: Packet): void {
    this.write(generate(packet, { protocolVersion: this.version }))
  }

  write(bytes: Buffer): void {
    const { socket } = this.session
    // Coalesced, see coalesce-writes.ts.
    if (!socket.destroyed) socket.write(bytes)
  }
}
