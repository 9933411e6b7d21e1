import type { Limits } from '../limits.ts'
import type { CertificatePenalties } from './certificate-penalties.ts'
import { Crowd } from './crowd.ts'

/** Connections of certificates that were refused only just now. They wait until they may ask again, so that we say how often that is. */
export interface Detention {
  /** True when the connection is to be judged; false when it is over, or has waited in vain. */
  serve(certificate: string, socket: Waiting): Promise<boolean>
  /** Somebody has been forgiven. */
  review(): void
  readonly size: number
}

interface Waiting {
  readonly destroyed: boolean
  on(event: 'close', listener: () => void): unknown
  off(event: 'close', listener: () => void): unknown
}

interface Held {
  /** Its certificate: whoever has the most makes room. */
  group: string
  end(isOver: boolean): void
}

export function createDetention(options: {
  limits: Pick<Limits, 'detained' | 'detainedOfOne' | 'detainedMs'>
  penalties: Pick<CertificatePenalties, 'find'>
  now(): number
}): Detention {
  const { limits, penalties, now } = options
  const all = new Crowd<Held>()

  return {
    get size() {
      return all.size
    },

    serve(group, socket) {
      const penalty = penalties.find(group)
      if (!penalty) return Promise.resolve(!socket.destroyed)
      return new Promise((resolve) => {
        const end = (isOver: boolean) => {
          clearTimeout(timer)
          socket.off('close', leave)
          all.delete(held)
          resolve(isOver)
        }
        const leave = () => end(false)
        const held: Held = { group, end }
        // A timer may be early by a part of a millisecond.
        const ms = Math.min(limits.detainedMs, Math.ceil(penalty.until - now()) + 1)
        const timer = setTimeout(() => end(!penalties.find(group)), ms)
        socket.on('close', leave)
        if (socket.destroyed) return leave()
        all.add(held)
        if (all.countOf(group) > limits.detainedOfOne) all.oldestOf(group)?.end(false)
        else if (all.size > limits.detained) all.greediest()?.end(false)
      })
    },

    review() {
      for (const held of all.items()) if (!penalties.find(held.group)) held.end(true)
    },
  }
}
