import type { TLSSocket } from 'node:tls'
import { type CompiledPolicy, compilePolicy, sessionKey } from '@muster/contracts'
import type { Peer } from '../admission/peer.ts'

/** How a connection is ended, and when nothing of it is left. */
export interface Transport {
  end(reasonCode: number, reason: string): void
  settled(): Promise<void>
}

const nobody = { fleet: '-', group: '-', device: '-', profile: 'device' as const, serial: '-' }
const nothing = compilePolicy({ name: 'nothing', allow: [], deny: [], limits: { subscriptions: 0 } }, nobody)

/** One connection of a device, from before its admission is looked up until nothing of it is left. */
export class Session {
  readonly key: string
  readonly peer: Peer
  readonly socket: TLSSocket
  /** The remote address without its port. */
  readonly address: string
  /** Allows nothing until the connection is admitted. */
  policy: CompiledPolicy = nothing
  /** Shut out: nothing of this connection counts any more, its will included. */
  removed = false
  transport: Transport
  /** Filters that were granted. */
  readonly filters = new Set<string>()
  /** When a packet last came, in milliseconds since the epoch. */
  lastPacketAt = 0
  /** The client id to tell a client that gave none. */
  assignedClientId: string | undefined

  constructor(peer: Peer, socket: TLSSocket, address: string) {
    this.key = sessionKey(peer.identity)
    this.peer = peer
    this.socket = socket
    this.address = address
    this.transport = { end: () => socket.destroy(), settled: async () => {} }
  }

  get isDevice(): boolean {
    return this.peer.identity.profile === 'device'
  }
}
