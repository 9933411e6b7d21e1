import { constants, type X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { createSecureContext, type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls'
import type { Credentials } from '../store/load-credentials.ts'
import type { DeviceClock } from './device-clock.ts'
import { connectOver, type Open } from './dial.ts'
import { readShown, requireTrustedServer, type Shown } from './require-trusted-server.ts'

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
  const { host, roots, clock, credentials, session, onSession } = target
  const secureContext = createSecureContext({
    ca: roots,
    minVersion: 'TLSv1.2',
    ...(credentials && {
      key: credentials.key.export({ type: 'pkcs8', format: 'pem' }),
      cert: credentials.certificate,
    }),
  })
  const { socket, verdict: certificate } = await shakeHands(target, { secureContext, session }, (socket) => {
    socket.on('session', (ticket: Buffer) => onSession?.(ticket, socket))
    return () => requireTrustedServer(socket, host, roots, clock)
  })
  return { socket, certificate }
}

/** A TLS connection to whoever is there, with what they have shown: nothing secret may be sent before that is judged. */
export async function openUntrustedTls(
  target: Pick<TlsTarget, 'host' | 'port' | 'dial' | 'signal'>,
): Promise<{ socket: TLSSocket; shown: Shown }> {
  // A renegotiation in TLS 1.2 would put another certificate in the place of the one that is judged.
  const secureOptions = constants.SSL_OP_NO_RENEGOTIATION
  const secureContext = createSecureContext({ ca: [], minVersion: 'TLSv1.2', secureOptions })
  const { socket, verdict: shown } = await shakeHands(target, { secureContext }, (socket) => () => readShown(socket))
  return { socket, shown }
}

/** The verdict is asked for as soon as the handshake is done: a turn later the connection, and with it the certificate, may be gone. */
async function shakeHands<Verdict>(
  { host, port, dial, signal }: Pick<TlsTarget, 'host' | 'port' | 'dial' | 'signal'>,
  { secureContext, session }: { secureContext: SecureContext; session?: Buffer | undefined },
  watch: (socket: TLSSocket) => () => Verdict,
): Promise<{ socket: TLSSocket; verdict: Verdict }> {
  signal?.throwIfAborted()
  const options = {
    ...(isIP(host) === 0 && { servername: host }),
    ...(session && { session }),
    secureContext,
    // It is judged by the verdict: only there is known what to think of the device's clock.
    rejectUnauthorized: false,
  }
  const socket = dial ? connectOver(dial({ host, port }), options) : tlsConnect({ ...options, host, port })
  const { promise, resolve, reject } = Promise.withResolvers<Verdict>()
  const onAbort = () => reject(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  socket.on('error', reject)
  socket.on('close', () => reject(new Error('the connection was closed during the handshake')))
  const judge = watch(socket)
  socket.on('secureConnect', () => {
    try {
      resolve(judge())
    } catch (error) {
      reject(error)
    }
  })
  try {
    return { socket, verdict: await promise }
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
}
