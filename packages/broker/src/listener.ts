import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer, type SecureContextOptions, type TLSSocket } from 'node:tls'
import type { Limits } from './limits.ts'
import { listenOn } from './listen-on.ts'
import type { Observer } from './observer.ts'

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

export interface ListenerOptions {
  host: string
  port: number
  limits: Limits
  /** Our key and certificate; `ca`: the root and the issuing CAs that client certificates are built on. */
  credentials: Required<Pick<SecureContextOptions, 'key' | 'cert' | 'ca'>>
  accept(socket: TLSSocket): Promise<void>
  /** An OCSP response at hand for our certificate (DER), for clients that ask for one. */
  staple(certificate: Buffer): Buffer | null
  observer: Pick<Observer, 'handshakeFailed' | 'failed'>
}

export interface Listener extends AsyncDisposable {
  port: number
  /** New handshakes use these; tickets given out before no longer resume. */
  setCredentials(credentials: ListenerOptions['credentials']): void
}

export async function listen(options: ListenerOptions): Promise<Listener> {
  const { host, port, limits, credentials, accept, staple, observer } = options
  const secure = { ciphers, minVersion: 'TLSv1.2', honorCipherOrder: true } as const
  const sockets = new Set<Socket>()
  const handshakes = new Map<string, Socket>()

  const server = createServer({
    ...credentials,
    ...secure,
    // The chain is judged by us, so that a refusal knows whose certificate it was.
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: limits.handshakeMs,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 60_000,
  })
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket)
    sockets.add(socket)
    handshakes.set(peer, socket)
    socket.on('error', () => {})
    socket.once('close', () => {
      sockets.delete(socket)
      if (handshakes.get(peer) === socket) handshakes.delete(peer)
    })
    if (handshakes.size > limits.handshakes) handshakes.values().next().value?.destroy()
  })
  server.on('tlsClientError', (error, socket) => {
    observer.handshakeFailed(error)
    socket.destroy()
  })
  // Answered at once: no handshake waits for it.
  server.on('OCSPRequest', (certificate, _issuer, callback) => callback(null, staple(certificate) as Buffer))
  server.on('secureConnection', (socket) => {
    handshakes.delete(peerOf(socket))
    socket.on('error', () => {})
    accept(socket).catch((error: unknown) => {
      observer.failed(error)
      socket.destroy()
    })
  })
  await listenOn(server, host, port, 'MUSTER_MQTT_PORT')

  return {
    port: (server.address() as AddressInfo).port,
    setCredentials: (changed) => server.setSecureContext({ ...changed, ...secure }),
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of sockets) socket.destroy()
      await once(server, 'close')
    },
  }
}

const peerOf = ({ remoteAddress, remotePort }: Socket) => `${remoteAddress} ${remotePort}`
