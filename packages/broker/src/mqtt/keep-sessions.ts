import type { Aedes, Client } from 'aedes'
import type { QueueBounds } from '../sessions/session.ts'
import { sessionOf } from './client.ts'
import type { SessionStore } from './session-store.ts'

/** What is used of aedes beyond its types; the version is pinned for it. */
type Connected = Client & { sessionExpiryInterval: number }

/** Asked for each CONNECT: answers whether there is a session to go on with. */
export function openKept(store: SessionStore) {
  return async (client: Connected, fresh: boolean): Promise<boolean> => {
    const { id, sessionExpiryInterval: expirySeconds } = client
    const bounds = (): QueueBounds => sessionOf(client)?.policy.limits ?? {}
    const { queuedMessages, queuedBytes } = bounds()
    const isKnown = await store.openSession(id, fresh, { expirySeconds, queuedMessages, queuedBytes })
    // Its policy may have changed meanwhile.
    store.boundQueue(client, bounds())
    return isKnown
  }
}

/** Sessions end in the store; aedes' own timers would hold on to each client that has gone. */
export function keepSessions(broker: Aedes, store: SessionStore, onError: (error: unknown) => void): void {
  const internals = broker as unknown as { scheduleSessionExpiry(client: Connected): void }
  internals.scheduleSessionExpiry = ({ id, sessionExpiryInterval }) => {
    store.closeSession(id, sessionExpiryInterval).catch(onError)
  }
}
