import {
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto'
import { isName, parsePeerIdentity, platformFleet } from '@muster/contracts'

/** A running process among those that share ticket keys. Its private key is never written anywhere. */
export interface Member {
  node: string
  /** X25519, DER. */
  publicKey: Buffer
  privateKey: KeyObject
}

export function createMember(node: string): Member {
  const { publicKey, privateKey } = generateKeyPairSync('x25519')
  return { node, publicKey: publicKey.export({ type: 'spki', format: 'der' }), privateKey }
}

const statement = (node: string, publicKey: Buffer) =>
  Buffer.concat([Buffer.from(`muster ticket member\n${node}\n`), publicKey])

/** The node's word, with the key of its certificate, that a public key is its own. */
export function signMember({ node, publicKey }: Member, certificateKey: KeyObject): Buffer {
  return sign(digestFor(certificateKey), statement(node, publicKey), certificateKey)
}

export interface MemberClaim {
  node: string
  publicKey: Buffer
  signature: Buffer
  /** DER */
  certificate: Buffer
}

/** Whoever can write to the database can claim anything: what counts is a node's certificate, issued by one of our CAs. */
export function isMember(claim: MemberClaim, authorities: readonly X509Certificate[], now: Date): boolean {
  const certificate = new X509Certificate(claim.certificate)
  const issued = authorities.some((above) => certificate.checkIssued(above) && certificate.verify(above.publicKey))
  if (!issued || now >= new Date(certificate.validTo) || now < new Date(certificate.validFrom)) return false
  // RFC 5280 §4.2.1.12: a device of a fleet named like ours would still have no server's certificate.
  if (!certificate.keyUsage?.includes('1.3.6.1.5.5.7.3.1')) return false
  const { subject, subjectaltname } = certificate.toLegacyObject()
  const uris = subjectaltname?.split(', ').filter((name) => name.startsWith('URI:'))
  const identity = parsePeerIdentity({ subject: { ...subject }, subjectaltname: uris?.join(', ') })
  if (identity.fleet !== platformFleet || identity.device !== claim.node || !isName(claim.node)) return false
  const { publicKey } = certificate
  return verify(digestFor(publicKey), statement(claim.node, claim.publicKey), publicKey, claim.signature)
}

const digestFor = ({ asymmetricKeyType: type }: KeyObject) => (type === 'ed25519' ? null : 'sha256')

export interface Share {
  key: string
  period: number
  recipient: Buffer
  sender: Buffer
  sealed: Buffer
}

/** Both sides' keys are signed by certificates, so whoever can seal for a member is one. */
export function sealShare(secret: Buffer, own: Member, recipient: Buffer, key: string, period: number): Share {
  const nonce = randomBytes(12)
  const share = { key, period, recipient, sender: own.publicKey }
  const cipher = createCipheriv('aes-256-gcm', sealingKey(own, recipient, share), nonce)
  const sealed = Buffer.concat([nonce, cipher.update(secret), cipher.final(), cipher.getAuthTag()])
  return { ...share, sealed }
}

/** @throws Error when it was not sealed by `share.sender` for this process */
export function openShare(share: Share, own: Member): Buffer {
  const { sealed } = share
  const decipher = createDecipheriv('aes-256-gcm', sealingKey(own, share.sender, share), sealed.subarray(0, 12), {
    authTagLength: 16,
  })
  decipher.setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
}

/** Bound to everything around it: a share of one key, period or direction is none of another. */
function sealingKey(own: Member, other: Buffer, share: Omit<Share, 'sealed'>): Buffer {
  const publicKey = createPublicKey({ key: other, type: 'spki', format: 'der' })
  const shared = diffieHellman({ privateKey: own.privateKey, publicKey })
  const { key, period, sender, recipient } = share
  const info = Buffer.concat([Buffer.from(`muster ticket share\n${key}\n${period}\n`), sender, recipient])
  return Buffer.from(hkdfSync('sha256', shared, Buffer.alloc(0), info, 32))
}
