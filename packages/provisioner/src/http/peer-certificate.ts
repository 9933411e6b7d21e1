import type { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import type { Context } from 'hono'
import type { AppEnv } from './env.ts'

/** What the TLS peer has shown and proved to hold the key of. Nobody has judged it yet, whatever it says of itself. */
export function readPeerCertificate(c: Context<AppEnv>): X509Certificate | undefined {
  const socket = c.env?.incoming?.socket as Partial<TLSSocket> | undefined
  return socket?.getPeerX509Certificate?.()
}
