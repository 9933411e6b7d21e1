import type { KeptSession, Subscription } from './kept-session.ts'
import type { StoredPacket } from './packet.ts'
import type { Entry } from './queue.ts'
import { states } from './records.ts'

/** Where a publication goes; what is absent is as published. */
export type Target = Pick<Subscription, 'clientId'> & Partial<Subscription> & { identifiers?: number[] | undefined }

/** How a session gets it. */
export type How = Omit<Entry, 'seq' | 'message'>

/** One copy for a session, whatever number of its filters match. [MQTT-3.3.4-2] */
export function mergeTargets(
  sessions: ReadonlyMap<string, KeptSession>,
  targets: readonly Target[],
  packet: StoredPacket,
): Map<KeptSession, How> {
  const wanted = new Map<KeptSession, How>()
  for (const { clientId, qos = packet.qos, rap, nl, subscriptionIdentifier, identifiers: given } of targets) {
    const session = sessions.get(clientId)
    if (!session || (nl && clientId === packet.clientId)) continue
    const before = wanted.get(session)
    const granted = Math.max(before?.qos ?? 1, Math.min(qos, packet.qos)) as 1 | 2
    const retain = before?.retain || (packet.retain && rap === true)
    const identifiers =
      subscriptionIdentifier === undefined
        ? (given ?? before?.identifiers)
        : [...(before?.identifiers ?? []), subscriptionIdentifier]
    wanted.set(session, { qos: granted, retain, identifiers, packetId: undefined, state: states.queued })
  }
  return wanted
}
