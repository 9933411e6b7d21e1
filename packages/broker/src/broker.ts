import { type Db, isDatabaseUnavailable } from '@muster/db'
import type { Logger } from 'pino'
import { createAccept } from './accept.ts'
import type { KeptSnapshot } from './admission/load-snapshot.ts'
import { readPolicyNow } from './admission/policy-now.ts'
import { createRegistry } from './admission/registry.ts'
import { createSuspendCloned } from './admission/suspend-cloned.ts'
import { vouchFor } from './admission/vouch.ts'
import { followRegistry } from './changes/follow-registry.ts'
import type { Clock } from './contact/clock.ts'
import { type Contact, openContact } from './contact/contact.ts'
import { openLease } from './contact/lease.ts'
import { addOutageMetrics } from './contact/outage-metrics.ts'
import { createEdge } from './edge/edge.ts'
import { type Endpoint, openEndpoint } from './endpoint.ts'
import { openHealth } from './health.ts'
import type { Limits } from './limits.ts'
import { openMqtt } from './mqtt/aedes.ts'
import { openOrphanedWills } from './mqtt/orphaned-wills.ts'
import { reasonCodes } from './mqtt/reason-codes.ts'
import { openSessionStore, type SessionStore } from './mqtt/session-store.ts'
import { openMail } from './nodes/mail.ts'
import { openObservation } from './observation.ts'
import { openRelay } from './renewal/relay.ts'
import type { ServerCredentials, ServerRenewal, UseCredentials } from './server-renewal.ts'
import { createClones } from './sessions/clones.ts'
import { openKeptRecord } from './sessions/kept-record.ts'
import { createRivals } from './sessions/rivals.ts'
import type { Session } from './sessions/session.ts'
import { createSessions } from './sessions/sessions.ts'
import { openTelemetry } from './telemetry/open.ts'

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

/** For a question to another node and its answer, beside the time that the node gives a client. */
const answerMs = 500

/** Everything of one node, opened in the order in which it depends on each other, and closed in the opposite one. */
export async function startBroker(deps: BrokerDeps): Promise<Broker> {
  const { settings, db, log, now, clock, snapshot } = deps
  const { node, limits, metricsPort: port } = settings
  const { freshnessMs, willGraceMs: graceMs } = limits
  await using opening = new AsyncDisposableStack()
  const onError = (error: unknown) => {
    // Told once, when it goes: everything that works in the background fails then.
    const isExpected = !contact.isHere() && isDatabaseUnavailable(error)
    log[isExpected ? 'debug' : 'error']({ err: error }, 'something in the background failed')
  }
  let endpoint: Endpoint | undefined
  let store: SessionStore | undefined
  const list = () => sessions.list()

  // What is known of the registry, and for how long that may do.
  const lease = opening.use(await openLease({ url: settings.databaseUrl, node, freshnessMs }))
  const onLost = () => sessions.endAll(reasonCodes.serverBusy, 'unavailable: the registry is away for too long')
  const contact = opening.use(
    openContact({
      ...{ lease, clock, freshnessMs, heldUntil: snapshot.heldUntil, onLost, onError },
      onReturn: (): Promise<void> => following.startOver(),
      onFresh: snapshot.markFresh,
      onLeave: snapshot.leave,
    }),
  )

  // What other nodes say, and what this node tells of itself: it hears them until nobody is said to be here.
  const { pollMs, cloneAskMs: askMs } = limits
  const onLetter = (sender: string, letter: unknown) => rivals.receive(sender, letter)
  const mail = opening.use(openMail({ db, url: settings.databaseUrl, node, contact, pollMs, onLetter, onError }))
  const observation = openObservation({
    ...{ db, node, log, now, onError, list },
    onElsewhere: (...conflict) => rivals.settle(...conflict),
    certificateEnds: () => endpoint?.certificateEnds(),
    kept: () => store?.counts,
    mayKeep: () => store?.isWritable ?? false,
  })
  const { metrics, observer, figures } = opening.use(observation)
  const { registry: register } = metrics
  const isReady = () => endpoint !== undefined && contact.isHeld()
  const health = opening.use(await openHealth({ port, registry: register, isReady, remark: () => remarkOn(contact) }))

  // What connections need: sessions, the registry, somewhere to put messages, aedes.
  const edge = createEdge({ limits, proxyFrom: settings.proxyFrom ?? [], observer, registry: register })
  const { sessionsPath: path, sessionsSync: sync } = settings
  const { note: onKept } = opening.use(openKeptRecord({ db, onError }))
  store = opening.use(await openSessionStore({ path, sync, limits, observer, now, onKept }))
  const sessions = createSessions(store)
  const directory = createRegistry({ db, node, clock })
  const registry = vouchFor({ registry: directory, snapshot, contact, onVouched: observer.vouched })
  const { ingest, waiting } = opening.use(await openTelemetry({ db, contact, list, limits, now, observer, onError }))
  addOutageMetrics(register, { contact, freshnessMs, snapshot, waiting })
  const relay = opening.use(openRelay({ db, node, limits, now, observer, onError }))
  const policyNow = (session: Session) => readPolicyNow(registry, session)
  const mqtt = opening.use(await openMqtt({ node, limits, store, ingest, relay, observer, figures, policyNow }))

  // Of the connections of a device one stays.
  const suspend = createSuspendCloned({ db, node, now })
  const clones = createClones({ askMs, observer, now })
  const rivals = createRivals({ node, sessions, clones, mail, waitMs: askMs + answerMs, suspend, observer, onError })

  // From here on the registry is followed.
  const following = opening.use(
    followRegistry({
      ...{ settings, db, now, clock, contact, snapshot, directory, registry, sessions, rivals, edge, relay },
      ...{ observer, onError },
    }),
  )
  await contact.begin()
  const wills = { store, registry, graceMs, now, publish: mqtt.publishWill, observer, onError }
  opening.use(openOrphanedWills(wills))
  opening.defer(() => sessions.endAll(reasonCodes.serverShuttingDown, 'this node is leaving'))

  // The way in, last of all.
  const accept = createAccept({
    ...edge,
    ...{ limits, trustDomain: settings.trustDomain, registry, sessions, rivals, now, observer },
    isOnlyExpired: (certificate) => endpoint?.isOnlyExpired(certificate) ?? false,
    mayAdmit: contact.isHeld,
    catchUp: following.catchUp,
    serve: mqtt.serve,
  })
  const { judgeAnew: recheck } = following
  endpoint = opening.use(await openEndpoint({ settings, db, now, snapshot, accept, edge, recheck, observer, onError }))

  const { ports } = endpoint
  const opened = opening.move()
  const { mqtt: mqttPort, websocket: websocketPort } = ports
  return { mqttPort, websocketPort, metricsPort: health.port, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}

function remarkOn(contact: Pick<Contact, 'isHere' | 'secondsLeft'>): string | undefined {
  return contact.isHere() ? undefined : `degraded: the registry is away, ${Math.round(contact.secondsLeft())} s left`
}
