import { type Db, isDatabaseUnavailable } from '@muster/db'
import type { Logger } from 'pino'
import { createAccept } from './accept.ts'
import { keepRefreshed } from './admission/keep-refreshed.ts'
import type { KeptSnapshot } from './admission/load-snapshot.ts'
import { readPolicyNow } from './admission/policy-now.ts'
import { createRegistry } from './admission/registry.ts'
import { createSuspendCloned } from './admission/suspend-cloned.ts'
import { vouchFor } from './admission/vouch.ts'
import { type Change, createActOnChanges, type Outcome } from './changes/act-on-changes.ts'
import { createAnswerPreviews } from './changes/answer-previews.ts'
import { applyPolicies } from './changes/apply-policies.ts'
import { openChanges } from './changes/changes.ts'
import { recheckSessions } from './changes/recheck-sessions.ts'
import type { Clock } from './contact/clock.ts'
import { openContact } from './contact/contact.ts'
import { openLease } from './contact/lease.ts'
import { addOutageMetrics } from './contact/outage-metrics.ts'
import { createEdge } from './edge/edge.ts'
import { type Endpoint, openEndpoint } from './endpoint.ts'
import { createFigures } from './figures.ts'
import { openHealth } from './health.ts'
import type { Limits } from './limits.ts'
import { createMetrics } from './metrics.ts'
import { openMqtt } from './mqtt/aedes.ts'
import { openOrphanedWills } from './mqtt/orphaned-wills.ts'
import { reasonCodes } from './mqtt/reason-codes.ts'
import { openSessionStore, type SessionStore } from './mqtt/session-store.ts'
import { createObserver } from './observer.ts'
import { openPresence } from './presence.ts'
import { openRefusalLog } from './refusal-log.ts'
import { heedRenewals } from './renewal/heed.ts'
import { openRelay } from './renewal/relay.ts'
import type { ServerCredentials, ServerRenewal, UseCredentials } from './server-renewal.ts'
import { createClones } from './sessions/clones.ts'
import type { Session } from './sessions/session.ts'
import { createSessions } from './sessions/sessions.ts'
import { openTelemetry } from './telemetry/open.ts'
import { createTraffic } from './traffic.ts'

export interface BrokerSettings {
  node: string
  host: string
  mqttPort: number
  metricsPort: number
  /** Where MQTT is spoken over WebSocket, if anywhere. */
  websocketPort?: number | undefined
  /** Of the pages that may use it. */
  websocketOrigins?: readonly string[]
  /** Balancers that speak the PROXY protocol: addresses, and networks in CIDR notation. */
  proxyFrom?: readonly string[]
  trustDomain: string
  limits: Limits
  /** Where sessions are kept, for this node alone. */
  sessionsPath: string
  /** Whether what is acknowledged is on the disk, or only on its way there. */
  sessionsSync: boolean
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
  /** What freshness is measured by. */
  clock: Clock
  /** What is known of the registry from before. */
  snapshot: KeptSnapshot
}

export interface Broker extends AsyncDisposable {
  mqttPort: number
  websocketPort: number | undefined
  metricsPort: number
}

/** Everything of one node, opened in the order in which it depends on each other, and closed in the opposite one. */
export async function startBroker(deps: BrokerDeps): Promise<Broker> {
  const { settings, db, log, now, clock, snapshot } = deps
  const { node, limits, databaseUrl: url } = settings
  await using opening = new AsyncDisposableStack()
  const onError = (error: unknown) => {
    // Told once, when it goes: everything that works in the background fails then.
    const isExpected = !contact.isHere() && isDatabaseUnavailable(error)
    log[isExpected ? 'debug' : 'error']({ err: error }, 'something in the background failed')
  }
  let endpoint: Endpoint | undefined
  let store: SessionStore | undefined

  const onLost = () => sessions.endAll(reasonCodes.serverBusy, 'unavailable: the registry is away for too long')
  const { freshnessMs } = limits
  const lease = opening.use(await openLease({ url, node, freshnessMs }))
  const contact = opening.use(
    openContact({
      ...{ lease, clock, freshnessMs, heldUntil: snapshot.heldUntil, onLost, onError },
      onReturn: async () => {
        await changes.startOver()
        refreshing.hurry()
      },
      onFresh: snapshot.markFresh,
      onLeave: snapshot.leave,
    }),
  )
  const metrics = createMetrics({
    connections: () => sessions.list().length,
    certificateEnds: () => endpoint?.certificateEnds(),
    kept: () => store?.counts,
    mayKeep: () => store?.isWritable ?? false,
  })
  const onDropped = (count: number, error: unknown) => {
    metrics.refusalsDropped.inc(count)
    onError(error)
  }
  const refusals = opening.use(openRefusalLog({ db, now, onError, onDropped }))
  const presence = opening.use(openPresence({ db, node, now, onError }))
  const list = () => sessions.list()
  const traffic = createTraffic(metrics.registry, list)
  const observer = createObserver({ metrics, refusals, presence, traffic, log, now })

  const edge = createEdge({ limits, proxyFrom: settings.proxyFrom ?? [], observer, registry: metrics.registry })
  const { sessionsPath: path, sessionsSync: sync } = settings
  store = opening.use(await openSessionStore({ path, sync, limits, observer, now }))
  const sessions = createSessions(store)
  presence.watch(() => sessions.list().filter(({ socket }) => !socket.destroyed))
  const isReady = () => endpoint !== undefined && contact.isHeld()
  const remark = () =>
    contact.isHere() ? undefined : `degraded: the registry is away, ${Math.round(contact.secondsLeft())} s left`
  const health = opening.use(
    await openHealth({ port: settings.metricsPort, registry: metrics.registry, isReady, remark }),
  )
  const directory = createRegistry({ db, node, clock })
  const registry = vouchFor({
    ...{ registry: directory, snapshot, contact, onVouched: observer.vouched },
  })
  const telemetry = opening.use(await openTelemetry({ db, contact, list, limits, now, observer, onError }))
  const { ingest, waiting } = telemetry
  addOutageMetrics(metrics.registry, { contact, freshnessMs, snapshot, waiting })
  const relay = opening.use(openRelay({ db, node, limits, now, observer, onError }))
  const figures = createFigures(metrics, { connections: () => sessions.list().length, now })
  const policyNow = (session: Session) => readPolicyNow(registry, session)
  const mqtt = opening.use(await openMqtt({ node, limits, store, ingest, relay, observer, figures, policyNow }))

  const recheck = (one?: { key: string }) => {
    edge.forgive(one?.key)
    return recheckSessions({ registry, sessions, now, onRemoved: observer.removed, ...one })
  }
  const onDone = edge.forgivingAfter((change: Change, outcome: Outcome) => {
    observer.changed(change, outcome)
    // What they leave in doubt is read again at once.
    if (change.kind === 'policy' || change.kind === 'group' || change.kind === 'resume') refreshing.hurry()
  })
  const changes = opening.use(
    openChanges({
      ...{ url, clock, contact },
      act: createActOnChanges({
        ...{ db, node, sessions, snapshot, now, onDone },
        // The registry's own word: what this node vouches for may be older than the change.
        applyPolicies: (change) => applyPolicies({ registry: directory, sessions, now }, change),
      }),
      answerPreviews: createAnswerPreviews({ db, node, list: sessions.list }),
      recheck: () => recheck(),
      onError,
      pollMs: limits.pollMs,
    }),
  )
  const refreshing = opening.use(keepRefreshed({ snapshot, registry, contact, freshnessMs, onError }))
  const supersede = (one: { key: string }) => {
    snapshot.doubt(one)
    return recheck(one)
  }
  opening.use(heedRenewals({ url, node, relay, recheck: supersede, onError }))
  await contact.begin()
  const { willGraceMs: graceMs } = limits
  const wills = { store, registry, graceMs, now, publish: mqtt.publishWill, observer, onError }
  opening.use(openOrphanedWills(wills))
  opening.defer(() => sessions.endAll(reasonCodes.serverShuttingDown, 'this node is leaving'))

  const accept = createAccept({
    limits,
    trustDomain: settings.trustDomain,
    isOnlyExpired: (certificate) => endpoint?.isOnlyExpired(certificate) ?? false,
    registry,
    sessions,
    clones: createClones({
      sessions,
      askMs: limits.cloneAskMs,
      suspend: createSuspendCloned({ db, node, now }),
      observer,
      now,
    }),
    ...edge,
    now,
    mayAdmit: contact.isHeld,
    catchUp: changes.catchUp,
    serve: mqtt.serve,
    observer,
  })
  const judgeAnew = async () => {
    snapshot.doubt()
    refreshing.hurry()
    await recheck()
  }
  endpoint = opening.use(
    await openEndpoint({ settings, db, now, snapshot, accept, edge, recheck: judgeAnew, observer, onError }),
  )

  const { ports } = endpoint
  const opened = opening.move()
  const { mqtt: mqttPort, websocket: websocketPort } = ports
  return { mqttPort, websocketPort, metricsPort: health.port, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
