import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { createSecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls'
import type { Credentials } from '../store/load-credentials.ts'
import type { DeviceClock } from './device-clock.ts'
import { connectOver, type Open } from './dial.ts'
import { requireTrustedServer } from './require-trusted-server.ts'

export interface TlsTarget {
  host: string
  port: number
  /** PEM; nobody else vouches for the server. */
  roots: string
  clock: DeviceClock
  dial?: Open | undefined
  /** The device's own, where it has to show who it is. */
  credentials?: Pick<Credentials, 'key' | 'certificate'> | undefined
  session?: Buffer | undefined
  onSession?: ((ticket: Buffer, socket: TLSSocket) => void) | undefined
  signal?: AbortSignal | undefined
}

export interface VerifiedTls {
  socket: TLSSocket
  /** Of the server; unknown for a resumed session. */
  certificate: X509Certificate | undefined
}

/**
 * A TLS connection to a server that has been verified; before that, nothing but the handshake is sent.
 * @throws MusterError `certificate-untrusted`, TemporaryFailure for a certificate out of its dates, or what `node:tls` throws
 */
export async function openTls(target: TlsTarget): Promise<VerifiedTls> {
  const { host, port, roots, clock, dial, credentials, session, onSession, signal } = target
  signal?.throwIfAborted()
  const options = {
    ...(isIP(host) === 0 && { servername: host }),
    ...(session && { session }),
    secureContext: createSecureContext({
      ca: roots,
      minVersion: 'TLSv1.2',
      ...(credentials && {
        key: credentials.key.export({ type: 'pkcs8', format: 'pem' }),
        cert: credentials.certificate,
      }),
    }),
    // The verdict is asked for below: only there is known what to think of the device's clock.
    rejectUnauthorized: false,
  }
  const socket = dial ? connectOver(dial({ host, port }), options) : tlsConnect({ ...options, host, port })
  const { promise, resolve, reject } = Promise.withResolvers<X509Certificate | undefined>()
  const onAbort = () => reject(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('the connection was closed during the handshake')))
  socket.on('session', (ticket: Buffer) => onSession?.(ticket, socket))
  // At once: a turn later the connection, and with it the certificate, may be gone.
  socket.on('secureConnect', () => {
    try {
      resolve(requireTrustedServer(socket, host, roots, clock))
    } catch (error) {
      reject(error)
    }
  })
  try {
    return { socket, certificate: await promise }
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}
