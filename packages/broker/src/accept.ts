import type { TLSSocket } from 'node:tls'
import { type Identity, MusterError } from '@muster/contracts'
import { judge } from './admission/judge.ts'
import { readPeer } from './admission/peer.ts'
import type { Registry } from './admission/registry.ts'
import { limits } from './limits.ts'
import { requireClientId, requireWellFormedConnect, requireWill } from './mqtt/connect-rules.ts'
import { readConnect } from './mqtt/read-connect.ts'
import { refuse } from './mqtt/refuse.ts'
import type { Observer } from './observer.ts'
import { Session } from './sessions/session.ts'
import type { Sessions } from './sessions/sessions.ts'

export interface AcceptOptions {
  trustDomain: string
  registry: Registry
  sessions: Sessions
  now(): Date
  /** False while this node cannot prove that it is part of the cluster. */
  mayAdmit(): boolean
  /** Acts on the changes that this node has not acted on yet. */
  catchUp(): Promise<void>
  serve(session: Session): void
  observer: Pick<Observer, 'refused' | 'admitted'>
}

type IConnectPacket = NonNullable<Awaited<ReturnType<typeof readConnect>>>

/** Decides on one connection after its TLS handshake; see docs/revocation.md for why in this order. */
export function createAccept(options: AcceptOptions): (socket: TLSSocket) => Promise<void> {
  const { registry, sessions, now, observer } = options

  /** Answers the policy-bearing session, in the table; or throws, and it is not. */
  async function admit(session: Session, packet: IConnectPacket): Promise<void> {
    for (let attempt = 0; attempt < 3; attempt++) {
      if (!options.mayAdmit()) throw new MusterError('unavailable', 'this node has lost the registry')
      // Step 3: in the table first, so that a change committed after the look-up finds the connection.
      sessions.arrive(session)
      try {
        // Step 4
        const row = await registry.find(session.peer.serial)
        if (!row?.changePending) {
          const { policy } = judge(session.peer, row, now())
          requireClientId(packet, session.peer.identity)
          requireWill(packet, policy)
          session.policy = policy
          return
        }
      } catch (error) {
        sessions.leave(session)
        throw error
      }
      // What happened to the device earlier must be done with before it comes back: its old session is purged then.
      sessions.leave(session)
      await options.catchUp()
    }
    throw new MusterError('unavailable', 'changes of the device are still under way')
  }

  return async function accept(socket) {
    const address = readAddress(socket)
    let version: number | undefined
    let named: Identity | undefined
    let trusted = true
    try {
      // Step 1: whose certificate it is. A chain that is not ours gets no answer.
      const reading = readPeer(socket, options.trustDomain)
      if ('refusal' in reading) {
        ;({ named, trusted } = reading)
        if (!trusted) throw reading.refusal
      } else named = reading.peer.identity
      // Step 2: the CONNECT, which says in which words to refuse.
      const packet = await readConnect(socket, { maxBytes: limits.connectBytes, timeoutMs: limits.connectMs })
      if (!packet) return void socket.destroy()
      requireWellFormedConnect(packet)
      version = packet.protocolVersion ?? 4
      if ('refusal' in reading) throw reading.refusal
      if (version !== 4 && version !== 5) throw new MusterError('packet-malformed', 'MQTT 3.1.1 or 5 is spoken here')
      const session = new Session(reading.peer, socket, address)
      await admit(session, packet)
      if (packet.clientId === '') session.assignedClientId = session.peer.identity.device
      // Step 5: one session a device, the newest. Step 6: only now does aedes hear of it.
      if (!(await sessions.takeOver(session))) return
      observer.admitted(session)
      options.serve(session)
    } catch (error) {
      const refusal = asRefusal(error)
      observer.refused(refusal, named, address)
      if (version === undefined) socket.destroy()
      else refuse(socket, refusal, version)
    }
  }
}

export function readAddress(socket: { remoteAddress?: string | undefined }): string {
  return (socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '')
}

function asRefusal(error: unknown): MusterError {
  return error instanceof MusterError ? error : new MusterError('internal', 'something went wrong', { cause: error })
}
