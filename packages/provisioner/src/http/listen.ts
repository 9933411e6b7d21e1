import { once } from 'node:events'
import { createServer as createHttp, type Server as HttpServer } from 'node:http'
import { createServer as createHttps, type Server as HttpsServer, type ServerOptions } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { MusterError } from '@muster/contracts'

export interface Served {
  fetch(request: Request, env: HttpBindings): Response | Promise<Response>
}

export interface Place {
  host: string
  port: number
  /** The setting that names the port, for the message when it is taken. */
  setting: string
}

/** Slow clients hold a connection for a bounded time, and headers have a bounded size. */
const bounds = {
  headersTimeout: 10_000,
  requestTimeout: 20_000,
  keepAliveTimeout: 10_000,
  connectionsCheckingInterval: 2_000,
  maxHeaderSize: 16_384,
}
const graceMs = 1_000

const suites = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
]

export interface TlsMaterial {
  key: string
  /** The certificate and what leads from it to the root. */
  cert: string
  /** The root: named to clients that are asked for a certificate. */
  ca: string
}

const listenerOf = (app: Served) => getRequestListener((request, env) => app.fetch(request, env as HttpBindings))

export const tlsOptions = (material: TlsMaterial) => ({
  ...material,
  minVersion: 'TLSv1.2' as const,
  ciphers: suites.join(':'),
  honorCipherOrder: true,
})

export function listenHttps(app: Served, place: Place, material: TlsMaterial) {
  const options: ServerOptions = {
    ...bounds,
    ...tlsOptions(material),
    requestCert: true,
    // Devices without a certificate come here for one; what needs a certificate asks whether it is authorised.
    rejectUnauthorized: false,
    handshakeTimeout: 10_000,
  }
  const server = createHttps(options, listenerOf(app))
  // Node leaves the socket of a failed or timed-out handshake open.
  server.on('tlsClientError', (_, socket) => socket.destroy())
  return listen(server, place)
}

export function listenHttp(app: Served, place: Place) {
  return listen(createHttp(bounds, listenerOf(app)), place)
}

async function listen<Server extends HttpServer | HttpsServer>(server: Server, { host, port, setting }: Place) {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw describeListenFailure(cause, { host, port, setting })
  }
  return {
    server,
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      const forced = setTimeout(() => {
        for (const socket of sockets) socket.destroy()
      }, graceMs)
      await closed
      clearTimeout(forced)
    },
  }
}

function describeListenFailure(cause: unknown, { host, port, setting }: Place): MusterError {
  const code = (cause as NodeJS.ErrnoException).code
  const why =
    code === 'EADDRINUSE' ? 'is taken' : code === 'EACCES' ? 'needs privileges' : `cannot be listened on (${code})`
  return new MusterError('conflict', `port ${port} on ${host} ${why}: choose another with ${setting}`, { cause })
}
