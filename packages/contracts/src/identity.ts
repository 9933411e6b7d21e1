import { z } from 'zod'
import { MusterError } from './errors.ts'

/** The one grammar of fleet, group, device, service, policy and node names. It is a subset of every place a name is put: X.509 UTF8String, MQTT topic level, URL path, file name. */
export const Name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must match [a-z0-9][a-z0-9._-]{0,62}')
export type Name = z.infer<typeof Name>

export const isName = (value: unknown): value is Name => Name.safeParse(value).success

/** What a certificate is for; it comes from the claim, never from the CSR. */
export const profileNames = ['device', 'service', 'server'] as const
export const ProfileName = z.enum(profileNames)
export type ProfileName = z.infer<typeof ProfileName>

/** The fleet that holds the platform's own servers. */
export const platformFleet = 'muster'

/** Who a certificate speaks for. `device` is the service's name where `profile` is `service` or `server`. */
export interface Identity {
  fleet: string
  group: string
  device: string
  profile: ProfileName
}

/** The part of `tls.PeerCertificate` that names a subject; an attribute that repeats is an array. */
export interface PeerSubject {
  subject?: Partial<Record<string, string | string[] | undefined>> | undefined
  subjectaltname?: string | undefined
}

/** The key of an MQTT session: unique over all fleets. */
export function sessionKey(identity: Pick<Identity, 'fleet' | 'device'>): string {
  return `${identity.fleet}/${identity.device}`
}

/** The SPIFFE ID in the certificate's SAN. */
export function spiffeId(trustDomain: string, identity: Identity): string {
  const kind = identity.profile === 'device' ? 'device' : 'service'
  return `spiffe://${trustDomain}/fleet/${identity.fleet}/${kind}/${identity.device}`
}

/**
 * Reads the identity from a peer certificate's subject and SAN as Node presents them.
 * Strict: exactly CN, OU and O, each once and a valid name, and exactly one SPIFFE URI that agrees with them.
 * @throws MusterError `certificate-subject`
 */
export function parsePeerIdentity(peer: PeerSubject): Identity {
  const refuse = (why: string) => new MusterError('certificate-subject', why)
  const subject = peer.subject ?? {}
  for (const key of Object.keys(subject))
    if (key !== 'CN' && key !== 'OU' && key !== 'O') throw refuse(`unexpected subject attribute ${key}`)
  const read = (key: 'CN' | 'OU' | 'O'): string => {
    const value = subject[key]
    if (Array.isArray(value)) throw refuse(`subject attribute ${key} is repeated`)
    if (!isName(value)) throw refuse(`subject attribute ${key} is not a name`)
    return value
  }
  const device = read('CN')
  const group = read('OU')
  const fleet = read('O')
  const uris = (peer.subjectaltname ?? '').split(', ').filter((entry) => entry.startsWith('URI:'))
  if (uris.length !== 1) throw refuse('exactly one SPIFFE ID is expected')
  const match = /^URI:spiffe:\/\/[a-z0-9._-]+\/fleet\/([^/]+)\/(device|service)\/([^/]+)$/.exec(uris[0] ?? '')
  if (!match || match[1] !== fleet || match[3] !== device) throw refuse('SPIFFE ID and subject disagree')
  return { fleet, group, device, profile: match[2] === 'device' ? 'device' : 'service' }
}
