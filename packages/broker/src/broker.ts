import type { Db } from '@muster/db'
import type { Logger } from 'pino'
import { createAccept } from './accept.ts'
import { createRegistry } from './admission/registry.ts'
import { createActOnChanges } from './changes/act-on-changes.ts'
import { openChanges } from './changes/changes.ts'
import { recheckSessions } from './changes/recheck-sessions.ts'
import { openHealth } from './health.ts'
import { loadTrust, type Trust, watchTrust } from './issuers.ts'
import type { Limits } from './limits.ts'
import { listen } from './listener.ts'
import { createMetrics } from './metrics.ts'
import { openMqtt } from './mqtt/aedes.ts'
import { reasonCodes } from './mqtt/reason-codes.ts'
import { SessionStore } from './mqtt/session-store.ts'
import { openNodeLease } from './nodes.ts'
import { createObserver } from './observer.ts'
import { openPresence } from './presence.ts'
import { openRefusalLog } from './refusal-log.ts'
import type { ServerCredentials, ServerRenewal, UseCredentials } from './server-renewal.ts'
import { createSessions } from './sessions/sessions.ts'
import { openTelemetry } from './telemetry/open.ts'

export interface BrokerSettings {
  node: string
  host: string
  mqttPort: number
  metricsPort: number
  trustDomain: string
  limits: Limits
  /** For the connection that waits for notifications. */
  databaseUrl: string
  credentials: ServerCredentials
  /** How this node gets its next certificate. */
  keepRenewed?: (use: UseCredentials) => ServerRenewal
}

export interface BrokerDeps {
  settings: BrokerSettings
  db: Db
  log: Logger
  now(): Date
}

export interface Broker extends AsyncDisposable {
  mqttPort: number
  metricsPort: number
}

/** Everything of one node, opened in the order in which it depends on each other, and closed in the opposite one. */
export async function startBroker({ settings, db, log, now }: BrokerDeps): Promise<Broker> {
  const { node, limits, credentials } = settings
  await using opening = new AsyncDisposableStack()
  const onError = (error: unknown) => log.error({ err: error }, 'something in the background failed')
  let ready = false

  const metrics = createMetrics({ connections: () => sessions.list().length })
  const refusals = opening.use(openRefusalLog({ db, now, onError }))
  const presence = opening.use(await openPresence({ db, node, now, onError }))
  const observer = createObserver({ metrics, refusals, presence, log, now })

  const store = new SessionStore(limits, observer)
  const sessions = createSessions(store)
  presence.watch(() => sessions.list().filter(({ socket }) => !socket.destroyed))
  const isReady = () => ready && lease.isHeld()
  const health = opening.use(await openHealth({ port: settings.metricsPort, registry: metrics.registry, isReady }))
  const registry = createRegistry({ db, node })
  const { ingest } = opening.use(openTelemetry({ db, store, now, observer }))
  const mqtt = opening.use(await openMqtt({ node, limits, store, ingest, observer }))

  const onLost = () => sessions.endAll(reasonCodes.serverBusy, 'unavailable: this node has lost the registry')
  const lease = opening.use(await openNodeLease({ db, node, leaseMs: limits.leaseMs, onLost, onError }))
  const recheck = () => recheckSessions({ registry, sessions, now, onRemoved: observer.removed })
  const changes = opening.use(
    await openChanges({
      url: settings.databaseUrl,
      act: createActOnChanges({ db, node, sessions, now, onDone: observer.changed }),
      recheck,
      onError,
      pollMs: limits.pollMs,
    }),
  )
  opening.defer(() => sessions.endAll(reasonCodes.serverShuttingDown, 'this node is leaving'))

  const accept = createAccept({
    limits,
    trustDomain: settings.trustDomain,
    registry,
    sessions,
    now,
    mayAdmit: lease.isHeld,
    catchUp: changes.catchUp,
    serve: mqtt.serve,
    observer,
  })
  let own = credentials
  const load = () => loadTrust(db, own.roots)
  const trust = await load()
  const secure = ({ ca }: Trust) => {
    const key = own.key.export({ type: 'pkcs8', format: 'pem' })
    return { key, cert: own.certificate, ca }
  }
  const { host, mqttPort: port } = settings
  const listener = opening.use(await listen({ host, port, limits, credentials: secure(trust), accept, observer }))
  const renewal = settings.keepRenewed?.(async (renewed) => {
    own = renewed
    listener.setCredentials(secure(await load()))
  })
  if (renewal) opening.use(renewal)
  const apply = async (changed: Trust) => {
    listener.setCredentials(secure(changed))
    renewal?.hurry()
    await recheck()
  }
  const watch = { db, node, url: settings.databaseUrl, pollMs: limits.pollMs, trust, load, apply, now, onError }
  opening.use(watchTrust(watch))
  ready = true

  const opened = opening.move()
  return { mqttPort: listener.port, metricsPort: health.port, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
