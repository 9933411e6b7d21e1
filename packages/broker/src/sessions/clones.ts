import { type CloneAction, MusterError } from '@muster/contracts'
import { whoIs } from '../admission/who.ts'
import type { Observer } from '../observer.ts'
import type { Session } from './session.ts'
import type { Sessions } from './sessions.ts'

export interface Clones {
  /**
   * Whether the certificate of a connection that is about to take over is in use somewhere else.
   * @throws MusterError `certificate-cloned`: it may not take over
   */
  examine(newcomer: Session, action: CloneAction): Promise<void>
}

export interface ClonesOptions {
  sessions: Pick<Sessions, 'olderThan' | 'leave'>
  /** How long an older connection has to answer. */
  askMs: number
  /** Shuts the device out, as an operator would. */
  suspend(serial: string, why: string): Promise<unknown>
  observer: Pick<Observer, 'refused'>
  now(): Date
}

interface Quarrel {
  /** Until then the one that is there is left alone. */
  until: number
  waitMs: number
  /** Connections that took over from the same address, and since when. */
  turns: number
  since: number
}

const maxQuarrels = 10_000
const forgetMs = 600_000
const firstWaitMs = 1_000
const longestWaitMs = 60_000
/** From one address, so many turns within a minute are more than a device that begins anew. */
const turnsOfOne = 3
const turnsMs = 60_000

/**
 * Two are alive at once when the older connection answers a question that was asked after the newer had come: TLS has proved
 * the same key on both. A device that has moved cannot answer on the connection it has left.
 */
export function createClones({ sessions, askMs, suspend, observer, now }: ClonesOptions): Clones {
  const quarrels = new Map<string, Quarrel>()

  function quarrelOf(certificate: string): Quarrel {
    const at = now().getTime()
    const known = quarrels.get(certificate)
    quarrels.delete(certificate)
    const fresh = { until: 0, waitMs: 0, turns: 0, since: at }
    const quarrel = known && at - Math.max(known.until, known.since) < forgetMs ? known : fresh
    quarrels.set(certificate, quarrel)
    const [oldest] = quarrels.size > maxQuarrels ? quarrels.keys() : []
    if (oldest !== undefined) quarrels.delete(oldest)
    return quarrel
  }

  /** From one address it is nearly always a device that comes back: asked only when it comes back again and again. */
  function isSuspicious(quarrel: Quarrel, newcomer: Session, holder: Session): boolean {
    if (newcomer.address !== holder.address) return true
    const at = now().getTime()
    if (at - quarrel.since > turnsMs) Object.assign(quarrel, { turns: 0, since: at })
    quarrel.turns += 1
    return quarrel.turns >= turnsOfOne
  }

  return {
    async examine(newcomer, action) {
      const holder = sessions.olderThan(newcomer).findLast((older) => isSameCertificate(older, newcomer))
      if (!holder) return
      const { serial, fingerprint } = newcomer.peer
      const quarrel = quarrelOf(fingerprint)
      const at = now().getTime()
      const places = `in use at ${holder.address} and at ${newcomer.address} at once`
      if (at < quarrel.until && newcomer.address !== holder.address)
        throw cloned(`${places}; the one at ${holder.address} is there`)
      if (!isSuspicious(quarrel, newcomer, holder) || !(await isAlive(holder, askMs))) return

      quarrel.waitMs = Math.min(longestWaitMs, Math.max(firstWaitMs, 2 * quarrel.waitMs))
      quarrel.until = now().getTime() + quarrel.waitMs
      if (action === 'keep-oldest') throw cloned(`${places}; the older, at ${holder.address}, was kept`)
      if (action === 'suspend') {
        // It is refused in any case: the suspension must not close it before it is told so.
        sessions.leave(newcomer)
        await suspend(serial, places)
        throw cloned(`${places}; the device is suspended`)
      }
      const kept = cloned(`${places}; the newer, at ${newcomer.address}, was kept`)
      observer.refused(kept, whoIs(holder.peer), holder.address)
    },
  }
}

const cloned = (why: string) => new MusterError('certificate-cloned', why)

const isSameCertificate = (older: Session, newcomer: Session) =>
  older.peer.fingerprint === newcomer.peer.fingerprint && older.isAdmitted && !older.removed && !older.socket.destroyed

/** Newcomers that come together wait for one answer. */
async function isAlive(holder: Session, askMs: number): Promise<boolean> {
  holder.question ??= ask(holder, askMs).finally(() => {
    holder.question = undefined
  })
  return holder.question
}

function ask(holder: Session, askMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (isAnswered: boolean) => {
      clearTimeout(timer)
      holder.socket.off('close', gone)
      holder.answered = () => {}
      resolve(isAnswered)
    }
    const gone = () => settle(false)
    const timer = setTimeout(gone, askMs)
    holder.socket.once('close', gone)
    holder.answered = () => settle(true)
    holder.transport.ask()
  })
}
