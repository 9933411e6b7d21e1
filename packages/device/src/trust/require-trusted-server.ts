import { X509Certificate } from 'node:crypto'
import { checkServerIdentity, type DetailedPeerCertificate, type TLSSocket } from 'node:tls'
import { MusterError } from '@muster/contracts'
import { TemporaryFailure } from '../http/temporary-failure.ts'
import type { DeviceClock } from './device-clock.ts'
import { findPath, readCertificates } from './find-path.ts'
import { isAboutDates, serverDistrust } from './server-distrust.ts'

const hasEnded = 'CERT_HAS_EXPIRED'
const serverAuth = '1.3.6.1.5.5.7.3.1'

/**
 * Refuses a server that `roots` do not vouch for. OpenSSL decides, by the clock of the process. Where the device has a clock of its own,
 * dates are judged here by that; where its clock contradicts what is known about the time, only by the time that is certainly past.
 * A certificate that the roots vouch for has begun: where the clock says that it has not, the clock is behind.
 * Answers the server's certificate; a resumed session has none on this side, its ticket is one of a server that was verified.
 */
export function requireTrustedServer(
  socket: TLSSocket,
  host: string,
  roots: string,
  clock: DeviceClock,
): X509Certificate | undefined {
  if (socket.authorized && socket.isSessionReused()) return undefined
  const shown = readShown(socket)
  const [leaf] = shown.certificates
  if (!leaf) throw distrust(host, 'it has no certificate')
  if (socket.authorized && !clock.isOwn) {
    requireNotExpired([leaf], host, clock.earliest())
    return leaf
  }
  if (!socket.authorized) {
    // A string in Node, whatever its types say.
    const code = String(socket.authorizationError)
    const error = Object.assign(new Error(code), { code })
    const refusal = serverDistrust(error, host) ?? distrust(host, code)
    const isBelieved = code === hasEnded && !clock.isOwn && clock.isLocalPlausible()
    if (!isAboutDates(code) || isBelieved) throw refusal
  }
  // OpenSSL ends at the first objection: after one about dates, nothing of the rest is known.
  requireTrustedChain(shown, host, roots, clock)
  return leaf
}

/** What a server has shown of itself, whoever it is. */
export interface Shown {
  peer: DetailedPeerCertificate
  /** In the order they were sent; the chain ends where a certificate issued itself or its issuer is not there. */
  certificates: X509Certificate[]
}

/** Once for a connection: Node has the chain for the first who asks. */
export function readShown(socket: TLSSocket): Shown {
  const peer = socket.getPeerCertificate(true)
  return { peer, certificates: certificatesOf(peer) }
}

/** Judges without OpenSSL. Answers the path to the root, the server's certificate first and the root not in it. @throws as above */
export function requireTrustedChain(
  { peer, certificates }: Shown,
  host: string,
  roots: string,
  clock: DeviceClock,
): X509Certificate[] {
  const [leaf, ...chain] = certificates
  const path = leaf && findPath(leaf, chain, readCertificates(roots))
  if (!path) throw distrust(host, 'its chain leads to no pinned root')
  if (leaf.ca || !leaf.keyUsage?.includes(serverAuth)) throw distrust(host, 'its certificate is not one of a server')
  const misnamed = checkServerIdentity(host, peer)
  if (misnamed) throw distrust(host, misnamed.message)
  requireNotExpired(path, host, clock.isLocalPlausible() ? latest(clock.local(), clock.earliest()) : clock.earliest())
  return path
}

function requireNotExpired(path: X509Certificate[], host: string, at: Date): void {
  const expired = path.find(({ validToDate }) => validToDate < at)
  if (!expired) return
  const detail = `a certificate of ${host} expired ${expired.validToDate.toISOString()}`
  throw new TemporaryFailure(new MusterError('certificate-expired', detail))
}

function latest(one: Date, other: Date): Date {
  return one > other ? one : other
}

function certificatesOf(peer: DetailedPeerCertificate): X509Certificate[] {
  const certificates: X509Certificate[] = []
  const seen = new Set<string>()
  for (let at: DetailedPeerCertificate | undefined = peer; at?.raw && !seen.has(at.fingerprint256); ) {
    seen.add(at.fingerprint256)
    certificates.push(new X509Certificate(at.raw))
    at = at.issuerCertificate
  }
  return certificates
}

function distrust(host: string, why: string): MusterError {
  return new MusterError('certificate-untrusted', `the server ${host} is not trusted: ${why}`)
}
