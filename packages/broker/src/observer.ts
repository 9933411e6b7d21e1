import type { TLSSocket } from 'node:tls'
import type { MusterError } from '@muster/contracts'
import type { Logger } from 'pino'
import { explainHandshake } from './admission/explain-handshake.ts'
import { readUnproven, whoIs } from './admission/who.ts'
import type { Change, Outcome } from './changes/act-on-changes.ts'
import type { Metrics } from './metrics.ts'
import { nameReason } from './mqtt/reason-codes.ts'
import type { Answer } from './nodes/letter.ts'
import type { Presence } from './presence.ts'
import type { RefusalLog, Who } from './refusal-log.ts'
import type { Session } from './sessions/session.ts'
import type { Traffic } from './traffic.ts'

/** What the rest of the process reports; here it becomes metrics, log lines, refusals on record and presence. */
export interface Observer {
  admitted(session: Session): void
  /** The device is here, whatever the registry says. */
  present(session: Session): void
  /** What another node has said of a device that the registry had there; `late`: not in time for the CONNECT. */
  answered(outcome: Answer['outcome'] | 'late' | 'none'): void
  /** The registry is away, and this node has answered in its place. */
  vouched(): void
  /** `who`: as far as is known, proven or not. */
  refused(refusal: MusterError, who: Who | undefined, address: string): void
  denied(session: Session, denial: MusterError): void
  /** Shut out by a judgement that was repeated. */
  removed(key: string, refusal: MusterError): void
  changed(change: Change, outcome: Outcome): void
  /** Before there was a certificate to judge. */
  handshakeFailed(error: Error, socket: TLSSocket, address: string): void
  packetReceived(session: Session, type: string, count: number): void
  published(qos: 0 | 1 | 2): void
  batchStored(rows: number, seconds: number): void
  batchFailed(error: unknown): void
  /** Sent away with messages that could not be stored. */
  relieved(): void
  renewalAsked(session: Session): void
  renewalAnswered(session: Session): void
  sessionsWritten(writes: number, seconds: number): void
  dropped(why: 'not-stored' | 'queue-full' | 'slow-reader' | 'expired' | 'too-large'): void
  delivered(qos: 0 | 1 | 2): void
  /** It took nothing of what waited for it. */
  cutOff(session: Session): void
  failed(error: unknown): void
}

type Child = { inc(): void }
type ReceivedByQos = [Child, Child, Child]

export interface ObserverOptions {
  metrics: Metrics
  refusals: Pick<RefusalLog, 'record'>
  presence: Pick<Presence, 'connected' | 'disconnected'>
  traffic: Pick<Traffic, 'follow'>
  log: Logger
  now(): Date
}

export function createObserver({ metrics, refusals, presence, traffic, log, now }: ObserverOptions): Observer {
  const received = [0, 1, 2].map((qos) => metrics.received.labels({ qos })) as ReceivedByQos
  const refused: Observer['refused'] = (refusal, who, address) => {
    metrics.refusals.inc({ code: refusal.code })
    refusals.record(who, refusal, address)
    if (refusal.code === 'internal') log.error({ err: refusal }, 'a connection could not be judged')
    else log.debug({ code: refusal.code, detail: refusal.detail, who, address }, 'refused')
  }
  return {
    refused,
    denied: (session, denial) => refused(denial, whoIs(session.peer), session.address),
    admitted(session) {
      metrics.admissions.inc()
      presence.connected(session)
      traffic.follow(session)
      session.socket.on('close', () => {
        presence.disconnected(session)
        metrics.disconnections.inc({ why: nameReason(session.endedWith) })
      })
    },
    present(session) {
      if (!session.socket.destroyed) presence.connected(session)
    },
    answered: (outcome) => metrics.answers.inc({ outcome }),
    vouched: () => metrics.vouched.inc(),
    removed: (key, refusal) => log.info({ key, code: refusal.code }, 'closed: no longer admissible'),
    changed({ seq, at, ...change }, outcome) {
      const seconds = Math.max(0, now().getTime() - at.getTime()) / 1_000
      metrics.changeSeconds.observe({ kind: change.kind }, seconds)
      log.info({ change: seq, ...change, ...outcome }, 'change carried out')
    },
    handshakeFailed(error, socket, address) {
      metrics.handshakesFailed.inc()
      refused(explainHandshake(error), readUnproven(socket), address)
    },
    packetReceived(session, type, count) {
      session.lastPacketAt = now().getTime()
      metrics.packets.inc({ type }, count)
    },
    published: (qos) => received[qos].inc(),
    batchStored(rows, seconds) {
      metrics.stored.inc(rows)
      metrics.storeSeconds.observe(seconds)
    },
    batchFailed(error) {
      metrics.retries.inc()
      log.debug({ err: error }, 'messages could not be stored, and are tried again')
    },
    relieved: () => metrics.relieved.inc(),
    renewalAsked: () => metrics.renewals.inc({ step: 'asked' }),
    renewalAnswered: () => metrics.renewals.inc({ step: 'answered' }),
    sessionsWritten: (_writes, seconds) => metrics.sessionSeconds.observe(seconds),
    dropped: (why) => metrics.dropped.inc({ why }),
    delivered: (qos) => metrics.delivered.inc({ qos }),
    cutOff(session) {
      metrics.cutOff.inc()
      log.info({ key: session.key, address: session.address }, 'cut off: it reads nothing')
    },
    failed: (error) => log.error({ err: error }, 'something failed that never should'),
  }
}
