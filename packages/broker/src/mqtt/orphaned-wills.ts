import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { MusterError } from '@muster/contracts'
import { type Repeating, repeat } from '@muster/db'
import { judge } from '../admission/judge.ts'
import type { Peer } from '../admission/peer.ts'
import type { Registry } from '../admission/registry.ts'
import type { Observer } from '../observer.ts'
import { Session } from '../sessions/session.ts'
import type { SessionStore } from './session-store.ts'
import type { Body } from './store/packet.ts'

const batchRows = 500

/**
 * Wills of connections that ended with an earlier process of this node. Whoever is back before its will is due has not died;
 * of the others the registry is asked again, as if the will had just been given.
 */
export function openOrphanedWills(options: {
  store: SessionStore
  registry: Pick<Registry, 'findAll'>
  graceMs: number
  now(): Date
  publish(session: Session, will: Body): void
  observer: Pick<Observer, 'refused'>
  onError(error: unknown): void
}): Repeating {
  const { store, registry, graceMs, now, publish, observer, onError } = options
  const startedAt = now().getTime()
  let orphans = store.orphanedWills.map((will) => {
    const delaySeconds = Number(will.body.properties?.willDelayInterval ?? 0)
    const delayMs = Math.min(delaySeconds, store.expirySecondsOf(will.key)) * 1_000
    return { will, dueAt: startedAt + Math.max(graceMs, delayMs) }
  })

  async function publishDue() {
    orphans = orphans.filter(({ will }) => store.holdsWill(will))
    const due = orphans.filter(({ dueAt }) => dueAt <= now().getTime()).slice(0, batchRows)
    if (due.length === 0) return
    const rows = await registry.findAll(due.map(({ will }) => peerOf(will).serial))
    for (const { will } of due) {
      if (!store.holdsWill(will)) continue
      const peer = peerOf(will)
      try {
        const { policy, standing } = judge(peer, rows.get(peer.serial), now())
        if (standing === 'late') throw new MusterError('certificate-expired', 'it has expired since the will was given')
        const session = new Session(peer, new Socket().destroy() as TLSSocket, 'unknown')
        session.policy = policy
        publish(session, will.body)
      } catch (error) {
        if (!(error instanceof MusterError)) throw error
        observer.refused(error, peer.identity, 'unknown')
        await store.delWill({ id: will.key })
      }
    }
    const done = new Set(due)
    orphans = orphans.filter((one) => !done.has(one))
  }

  return repeat(publishDue, { everyMs: 1_000, onError })
}

const peerOf = ({ holder }: { holder: unknown }) => holder as Peer
