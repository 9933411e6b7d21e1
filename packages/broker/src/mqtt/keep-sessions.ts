import type { Aedes, Client } from 'aedes'
import { sessionOf } from './client.ts'
import type { SessionStore } from './session-store.ts'

/** What is used of aedes beyond its types; the version is pinned for it. */
type Connected = Client & { _cleanStart: boolean; sessionExpiryInterval: number }

/** Sessions begin and end in the store; aedes' own timers would hold on to each client that has gone. */
export function keepSessions(broker: Aedes, store: SessionStore, onError: (error: unknown) => void): void {
  broker.on('client', (client) => {
    const { id, sessionExpiryInterval: expirySeconds, _cleanStart: fresh } = client as Connected
    const { queuedMessages, queuedBytes } = sessionOf(client)?.policy.limits ?? {}
    store.openSession(id, fresh, { expirySeconds, queuedMessages, queuedBytes }).catch(onError)
  })
  const internals = broker as unknown as { scheduleSessionExpiry(client: Connected): void }
  internals.scheduleSessionExpiry = ({ id, sessionExpiryInterval }) => {
    store.closeSession(id, sessionExpiryInterval).catch(onError)
  }
}
