import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { MusterError } from '@muster/contracts'
import { type CertificateFields, readCertificate } from './admission/certificate.ts'
import { type Admission, judge } from './admission/judge.ts'
import { type Peer, readFingerprint, readPeer } from './admission/peer.ts'
import type { VouchingRegistry } from './admission/vouch.ts'
import { whoIs } from './admission/who.ts'
import type { AddressStanding } from './edge/address-standing.ts'
import { blameless, type CertificatePenalties } from './edge/certificate-penalties.ts'
import { Crowd } from './edge/crowd.ts'
import type { Detention } from './edge/detention.ts'
import type { Limits } from './limits.ts'
import { refuseAuthenticationMethod, requireClientId, requireWill } from './mqtt/connect-rules.ts'
import type { ConnectPacket } from './mqtt/guard/packets.ts'
import { readConnect } from './mqtt/read-connect.ts'
import { answer } from './mqtt/refuse.ts'
import type { Observer } from './observer.ts'
import type { Rivals } from './sessions/rivals.ts'
import { Session } from './sessions/session.ts'
import type { Sessions } from './sessions/sessions.ts'
import { createTurnAway } from './turn-away.ts'

/** A connection after its TLS handshake. */
export interface Incoming {
  /** MQTT's bytes: `tls` itself, or what a WebSocket carries over it. */
  socket: Duplex
  tls: TLSSocket
  address: string
  /** What counts as one address with it. */
  group: string
}

export interface AcceptOptions {
  limits: Limits
  trustDomain: string
  /** About a certificate of whose chain OpenSSL says that it has expired. */
  isOnlyExpired(certificate: CertificateFields): boolean
  registry: VouchingRegistry
  sessions: Sessions
  penalties: CertificatePenalties
  detention: Pick<Detention, 'serve'>
  standing: AddressStanding
  rivals: Pick<Rivals, 'face'>
  now(): Date
  /** False while this node cannot prove that it is part of the cluster. */
  mayAdmit(): boolean
  /** Acts on the changes that this node has not acted on yet. */
  catchUp(): Promise<void>
  serve(session: Session): void
  observer: Pick<Observer, 'refused' | 'admitted'>
}

/** Decides on one connection after its TLS handshake; see docs/revocation.md for why in this order. */
export function createAccept(options: AcceptOptions): (incoming: Incoming) => Promise<void> {
  const { limits, registry, sessions, penalties, detention, standing, rivals, now, observer } = options
  const turnAway = createTurnAway({ limits, observer })

  /** Answers the policy-bearing session, in the table; or throws, and it is not. */
  async function admit(session: Session, packet: ConnectPacket): Promise<void> {
    for (let attempt = 0; attempt < 3; ) {
      if (!options.mayAdmit()) throw new MusterError('unavailable', 'the registry is away for too long')
      // Step 3: in the table first, so that a change committed after the look-up finds the connection.
      sessions.arrive(session)
      session.isOutdated = false
      try {
        // Step 4
        const row = await registry.find(session.peer.serial)
        if (!row?.changePending) {
          const admission = judge(session.peer, row, now())
          requireClientId(packet, session.peer.identity)
          session.isLate = admission.standing === 'late'
          if (!session.isLate) requireWill(packet, admission.policy)
          const entered = await mayEnter(session, admission)
          if (entered) await rivals.face(session, row)
          // A policy was changed meanwhile: what was read of it may be older.
          if (session.isOutdated) continue
          if (entered) {
            session.policy = admission.policy
            session.isAdmitted = true
            if (row && admission.standing !== 'late') registry.admitted(row)
            return
          }
        }
      } catch (error) {
        sessions.leave(session)
        throw error
      }
      // What happened to the device earlier must be done with before it comes back: its old session is purged then.
      sessions.leave(session)
      await options.catchUp()
      attempt += 1
    }
    throw new MusterError('unavailable', 'changes of the device are still under way')
  }

  /** The first use of a renewed certificate puts it in use; if it cannot, something has happened to the device. */
  const mayEnter = async ({ peer, key }: Session, { standing }: Admission) =>
    standing !== 'renewed' || registry.promote(peer.serial, key)

  const openings = new Crowd<{ group: string; socket: Duplex }>()
  async function readOpening(socket: Duplex, group: string) {
    const one = { group, socket }
    openings.add(one)
    if (openings.size > limits.openings) openings.greediest()?.socket.destroy()
    try {
      return await readConnect(socket, { maxBytes: limits.connectBytes, timeoutMs: limits.connectMs })
    } finally {
      openings.delete(one)
    }
  }

  async function letIn({ socket, address, group }: Incoming, peer: Peer): Promise<void> {
    let packet: ConnectPacket | undefined
    const since = penalties.moment()
    try {
      // Step 2: the CONNECT, which also says in which words to refuse.
      const opening = await readOpening(socket, peer.fingerprint)
      if (!opening) {
        standing.refused(group)
        return void socket.destroy()
      }
      packet = opening.packet
      refuseAuthenticationMethod(packet)
      const session = new Session(peer, socket, address)
      await admit(session, packet)
      if (packet.clientId === '') session.assignedClientId = peer.identity.device
      // Step 5: one session a device, the newest. Step 6: only now does aedes hear of it.
      if (!(await sessions.takeOver(session))) return
      session.opening = opening
      standing.admitted(group)
      penalties.admitted(peer.fingerprint)
      socket.on('close', () => standing.left(group))
      observer.admitted(session)
      options.serve(session)
    } catch (error) {
      const refusal = asRefusal(error)
      const who = whoIs(peer)
      penalties.refused(peer.fingerprint, { refusal, who }, since)
      if (!blameless.includes(refusal.code)) standing.refused(group)
      observer.refused(refusal, who, address)
      answer(socket, refusal, packet?.protocolVersion)
    }
  }

  return async function accept(incoming) {
    const { tls, address, group } = incoming
    const certificate = readCertificate(tls)
    const fingerprint = certificate && readFingerprint(certificate)
    // Refused only just now: it waits, and costs nothing meanwhile, before anything is asked or read.
    const remembered = fingerprint === undefined ? undefined : penalties.find(fingerprint)
    if (fingerprint !== undefined && remembered) {
      standing.hammered(group)
      if (!(await detention.serve(fingerprint, tls))) {
        observer.refused(remembered.refusal, remembered.who, address)
        return void tls.destroy()
      }
    }
    // Step 1: whose certificate it is.
    const reading = readPeer(tls, certificate, options.trustDomain, options.isOnlyExpired)
    if ('peer' in reading) return letIn(incoming, reading.peer)
    if (fingerprint === undefined) standing.failed(group)
    else {
      standing.refused(group)
      penalties.refused(fingerprint, reading, penalties.moment())
    }
    return turnAway(incoming, reading)
  }
}

function asRefusal(error: unknown): MusterError {
  return error instanceof MusterError ? error : new MusterError('internal', 'something went wrong', { cause: error })
}
