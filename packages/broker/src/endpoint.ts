import { X509Certificate } from 'node:crypto'
import type { Incoming } from './accept.ts'
import type { CertificateFields } from './admission/certificate.ts'
import { isOnlyExpired } from './admission/only-expired.ts'
import type { BrokerDeps } from './broker.ts'
import type { Edge } from './edge/edge.ts'
import { loadTrust, type Trust, watchTrust } from './issuers.ts'
import { type Listener, listen } from './listener.ts'
import type { Observer } from './observer.ts'
import { openStapling } from './stapling.ts'
import { openTicketKeys } from './tickets/ticket-keys.ts'

export interface EndpointOptions extends Pick<BrokerDeps, 'settings' | 'db' | 'now' | 'snapshot'> {
  accept(incoming: Incoming): Promise<void>
  edge: Edge
  recheck(): Promise<void>
  observer: Observer
  onError(error: unknown): void
}

/** The MQTT port, with whatever it trusts and presents at the moment. */
export interface Endpoint extends AsyncDisposable {
  ports: Listener['ports']
  certificateEnds(): Date
  isOnlyExpired(certificate: CertificateFields): boolean
}

export async function openEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const { settings, db, now, snapshot, accept, edge, recheck, observer, onError } = options
  const { node, host, mqttPort, limits } = settings
  let { credentials } = settings
  const load = async () => {
    const trust = await loadTrust(db, credentials.roots)
    snapshot.keepFact('trust', trust)
    return trust
  }
  const first = await load().catch((error: unknown) => {
    const known = snapshot.fact('trust')
    if (known === undefined) throw error
    return known as Trust
  })
  let ca = first.ca
  let authorities = ca.map((pem) => new X509Certificate(pem))
  const material = () => {
    const key = credentials.key.export({ type: 'pkcs8', format: 'pem' })
    return { key, cert: credentials.certificate, ca }
  }

  await using opening = new AsyncDisposableStack()
  const stapling = opening.use(openStapling({ now, onError }))
  stapling.use(credentials.certificate)
  const staple = stapling.responseFor
  const tickets = opening.use(
    openTicketKeys({
      ...{ db, node, periodMs: limits.ticketPeriodMs, pollMs: limits.pollMs, now, onError },
      ...{ credentials: () => credentials, authorities: () => authorities },
    }),
  )
  const listener = opening.use(
    await listen({
      ...{
        host,
        ports: { mqtt: mqttPort, websocket: settings.websocketPort },
        limits,
        origins: settings.websocketOrigins ?? [],
      },
      ...{ credentials: material(), arrivals: edge.openArrivals, accept, tickets, staple, observer },
    }),
  )
  // Loaded here, whoever asks: by the roots that are pinned now.
  const reload = async () => {
    ca = (await load()).ca
    authorities = ca.map((pem) => new X509Certificate(pem))
    listener.setCredentials(material())
    stapling.use(credentials.certificate)
  }
  const renewal = settings.keepRenewed?.(async (renewed) => {
    credentials = renewed
    await reload()
  })
  if (renewal) opening.use(renewal)
  const apply = async () => {
    await reload()
    renewal?.hurry()
    edge.forgiveAll()
    await recheck()
  }
  const { databaseUrl: url } = settings
  opening.use(watchTrust({ db, node, url, pollMs: limits.pollMs, trust: first, load, apply, now, onError }))

  const opened = opening.move()
  return {
    ports: listener.ports,
    certificateEnds: () => new Date(new X509Certificate(credentials.certificate).validTo),
    isOnlyExpired: (certificate) => isOnlyExpired(certificate, authorities, now()),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}
