import { constants } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { createServer, type SecureContextOptions, type TLSSocket } from 'node:tls'
import type { Incoming } from './accept.ts'
import type { Arrival, Arrivals } from './edge/arrivals.ts'
import { openWebSocket } from './edge/websocket.ts'
import type { Limits } from './limits.ts'
import { listenOn } from './listen-on.ts'
import type { Observer } from './observer.ts'
import type { TicketMaterial } from './tickets/ticket-material.ts'
import { useTickets } from './tickets/use-tickets.ts'

/** Forward secret and authenticated, nothing else. */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** Whoever offers the hybrid gets it: what is recorded today stays secret from the quantum computers of later. */
const ecdhCurve = 'X25519MLKEM768:X25519:P-256:P-384'

/** A renegotiation in TLS 1.2 would put another certificate in the place of the one that was judged. */
const secureOptions = constants.SSL_OP_NO_RENEGOTIATION

export interface ListenerOptions {
  host: string
  ports: { mqtt: number; websocket?: number | undefined }
  /** Of the pages that may use WebSocket from a browser. */
  origins: readonly string[]
  limits: Limits
  /** Our key and certificate; `ca`: the root and the issuing CAs that client certificates are built on. */
  credentials: Required<Pick<SecureContextOptions, 'key' | 'cert' | 'ca'>>
  arrivals(begin: (arrival: Arrival) => void): Arrivals
  accept(incoming: Incoming): Promise<void>
  tickets: TicketMaterial
  /** An OCSP response at hand for our certificate (DER), for clients that ask for one. */
  staple(certificate: Buffer): Buffer | null
  observer: Pick<Observer, 'handshakeFailed' | 'failed'>
}

export interface Listener extends AsyncDisposable {
  ports: { mqtt: number; websocket: number | undefined }
  /** New handshakes use these. */
  setCredentials(credentials: ListenerOptions['credentials']): void
}

/** TLS, behind `arrivals`: a raw connection is handed over here when its ClientHello has come and it is its turn. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const { host, limits, credentials, accept, tickets, staple, observer } = options
  const sessionTimeout = Math.ceil((2 * limits.ticketPeriodMs) / 1_000)
  const secure = {
    ciphers,
    ecdhCurve,
    minVersion: 'TLSv1.2',
    honorCipherOrder: true,
    secureOptions,
    sessionTimeout,
  } as const
  const servers: Server[] = []
  const sockets = new Set<Socket>()
  const underWay = new Map<string, Arrival>()
  /** Still known when the peer has gone. */
  const addresses = new WeakMap<Socket, string>()

  const tls = createServer({
    ...credentials,
    ...secure,
    // The chain is judged by us, so that a refusal knows whose certificate it was.
    requestCert: true,
    rejectUnauthorized: false,
    // `arrivals` ends those that take too long, however they fill the time.
    handshakeTimeout: 2 * limits.handshakeMs,
  })
  useTickets(tls, tickets)
  tls.on('tlsClientError', (error, socket) => {
    const { _parent: raw } = socket as TLSSocket & { _parent?: Socket }
    observer.handshakeFailed(error, socket, (raw && addresses.get(raw)) ?? 'unknown')
    socket.destroy()
  })
  // Answered at once: no handshake waits for it.
  tls.on('OCSPRequest', (certificate, _issuer, callback) => callback(null, staple(certificate) as Buffer))
  tls.on('secureConnection', (socket) => {
    const peer = peerOf(socket)
    const arrival = underWay.get(peer)
    if (!arrival) return void socket.destroy()
    underWay.delete(peer)
    arrivals.secured(arrival)
    socket.on('error', ignore)
    const { protocol, address, group } = arrival
    const incoming = { socket, tls: socket, address, group }
    if (protocol === 'mqtt') letIn(incoming)
    else websocketEntrance.enter(incoming)
  })

  const letIn = (incoming: Incoming) => {
    accept(incoming).catch((error: unknown) => {
      observer.failed(error)
      incoming.tls.destroy()
    })
  }

  await using opening = new AsyncDisposableStack()
  const websocketEntrance = opening.use(openWebSocket({ limits, origins: options.origins, accept: letIn }))
  const arrivals = opening.use(
    options.arrivals((arrival) => {
      const { socket } = arrival
      const peer = peerOf(socket)
      underWay.set(peer, arrival)
      addresses.set(socket, arrival.address)
      socket.on('close', () => {
        if (underWay.get(peer) === arrival) underWay.delete(peer)
      })
      tls.emit('connection', socket)
    }),
  )

  async function open(port: number, setting: string, protocol: Arrival['protocol']): Promise<number> {
    const server = createTcpServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 }, (socket) => {
      sockets.add(socket)
      // `once` would make three objects more for each listener of each connection, and `close` comes once.
      socket.on('close', () => sockets.delete(socket))
      arrivals.enter(socket, protocol)
    })
    await listenOn(server, host, port, setting)
    servers.push(server)
    return (server.address() as AddressInfo).port
  }
  // New connections are no longer taken, then those there are end.
  opening.defer(async () => {
    const closed = servers.map((server) => once(server, 'close'))
    for (const server of servers) server.close()
    for (const socket of sockets) socket.destroy()
    await Promise.all(closed)
  })
  const { websocket } = options.ports
  const ports = {
    mqtt: await open(options.ports.mqtt, 'MUSTER_MQTT_PORT', 'mqtt'),
    websocket: websocket === undefined ? undefined : await open(websocket, 'MUSTER_WS_PORT', 'websocket'),
  }

  const opened = opening.move()
  return {
    ports,
    setCredentials(changed) {
      tls.setSecureContext({ ...changed, ...secure })
      useTickets(tls, tickets)
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

const ignore = () => {}
const peerOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`
