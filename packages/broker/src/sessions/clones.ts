import { type CloneAction, MusterError } from '@muster/contracts'
import { whoIs } from '../admission/who.ts'
import type { QuarrelNews } from '../nodes/letter.ts'
import type { Observer } from '../observer.ts'
import type { Session } from './session.ts'

/** A connection that is to take over, at this node or at another. */
export interface Newcomer {
  /** Of its certificate. */
  fingerprint: string
  address: string
}

/** `free`: the newcomer may take over; `kept`: it may not; `suspend`: nor may anybody. */
export interface Finding {
  outcome: 'free' | 'kept' | 'suspend'
  why: string
  quarrel?: QuarrelNews | undefined
}

export interface Clones {
  /** Whether the certificate of a newcomer is in use at `holder` too, and who is to stay. */
  examine(holder: Session, newcomer: Newcomer, action: CloneAction): Promise<Finding>
  /** What another node knows of two that fight counts here as well. */
  adopt(certificate: string, news: QuarrelNews): void
}

export interface ClonesOptions {
  /** How long an older connection has to answer. */
  askMs: number
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
export function createClones({ askMs, observer, now }: ClonesOptions): Clones {
  const quarrels = new Map<string, Quarrel>()

  function keep(certificate: string, quarrel: Quarrel): Quarrel {
    quarrels.delete(certificate)
    quarrels.set(certificate, quarrel)
    const [oldest] = quarrels.size > maxQuarrels ? quarrels.keys() : []
    if (oldest !== undefined) quarrels.delete(oldest)
    return quarrel
  }

  function quarrelOf(certificate: string): Quarrel {
    const at = now().getTime()
    const known = quarrels.get(certificate)
    const fresh = { until: 0, waitMs: 0, turns: 0, since: at }
    return keep(certificate, known && at - Math.max(known.until, known.since) < forgetMs ? known : fresh)
  }

  /** From one address it is nearly always a device that comes back: asked only when it comes back again and again. */
  function isSuspicious(quarrel: Quarrel, isOther: boolean): boolean {
    if (isOther) return true
    const at = now().getTime()
    if (at - quarrel.since > turnsMs) Object.assign(quarrel, { turns: 0, since: at })
    quarrel.turns += 1
    return quarrel.turns >= turnsOfOne
  }

  async function decide(holder: Session, newcomer: Newcomer, action: CloneAction, quarrel: Quarrel): Promise<Finding> {
    const [there, here] = [holder.address, newcomer.address]
    const places = `in use at ${there} and at ${here} at once`
    const isOther = here !== there
    if (isOther && now().getTime() < quarrel.until)
      return { outcome: 'kept', why: `${places}; the one at ${there} is there` }
    if (!isSuspicious(quarrel, isOther) || !(await isAlive(holder, askMs))) return free

    quarrel.waitMs = Math.min(longestWaitMs, Math.max(firstWaitMs, 2 * quarrel.waitMs))
    quarrel.until = now().getTime() + quarrel.waitMs
    if (action === 'keep-oldest') return { outcome: 'kept', why: `${places}; the older, at ${there}, was kept` }
    if (action === 'suspend') return { outcome: 'suspend', why: places }
    observer.refused(cloned(`${places}; the newer, at ${here}, was kept`), whoIs(holder.peer), there)
    return free
  }

  return {
    async examine(holder, newcomer, action) {
      if (holder.peer.fingerprint !== newcomer.fingerprint) return free
      const quarrel = quarrelOf(newcomer.fingerprint)
      const finding = await decide(holder, newcomer, action, quarrel)
      const { waitMs, turns, until, since } = quarrel
      const at = now().getTime()
      return { ...finding, quarrel: { waitMs, turns, restMs: until - at, agoMs: at - since } }
    },

    adopt(certificate, { waitMs, turns, restMs, agoMs }) {
      const at = now().getTime()
      keep(certificate, { waitMs, turns, until: at + restMs, since: at - agoMs })
    },
  }
}

const free: Finding = { outcome: 'free', why: '' }

export const cloned = (why: string) => new MusterError('certificate-cloned', why)

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
