import * as extensions from '../certificate/extensions.ts'
import { readCertificateParts } from '../certificate/read.ts'
import { oids } from '../der/oids.ts'
import {
  bitString,
  booleanTrue,
  contextConstructed,
  contextPrimitive,
  type Der,
  encodeDer,
  encodeHeader,
  sequence,
  smallInteger,
  time,
  unsignedInteger,
} from '../der/writer.ts'
import type { Issuer } from '../issuer.ts'
import { signatureAlgorithmFor } from '../signatures.ts'
import type { CrlEntries } from './entries.ts'

/** Any CA with its key: an issuing CA, or a root for the CRL of its CAs. */
export type CrlIssuer = Pick<Issuer, 'certificate' | 'sign' | 'signParts'>

export interface CrlContent {
  /** Grows with every CRL of the issuer. */
  number: number | bigint
  thisUpdate: Date
  nextUpdate: Date
  entries: CrlEntries
  /** Addresses of this CRL, as its certificates name them in their distribution points. */
  urls: readonly string[]
  /** Which certificates it speaks of; leaves unless said otherwise. */
  scope?: 'leaf' | 'ca' | 'all'
  /** A delta CRL: `entries` are the changes since the complete CRL of that number. */
  baseNumber?: number | bigint
  /** Where the delta CRL to this complete one is. */
  freshestUrls?: readonly string[]
}

/** A signed CRL. The parts are shared with later CRLs of the same entries; nobody may write to them. */
export interface Crl {
  parts: readonly Buffer[]
  byteLength: number
  /** All of it in one buffer, made anew. */
  der(): Buffer
}

/** Signs a CRL (RFC 5280 §5, version 2). The entries are taken as they are at the moment of the call. */
export async function signCrl(issuer: CrlIssuer, content: CrlContent): Promise<Crl> {
  requireSound(issuer, content)
  const algorithm = signatureAlgorithmFor(issuer.certificate.publicKey)
  const { subject, subjectKeyIdentifier } = readCertificateParts(issuer.certificate.raw)
  const entries = content.entries.snapshot()
  const { byteLength } = content.entries

  const start = Buffer.concat(
    [
      smallInteger(1),
      algorithm.identifier,
      subject,
      time(content.thisUpdate),
      time(content.nextUpdate),
      // RFC 5280 §5.1.2.6: absent where nothing is revoked.
      byteLength > 0 ? encodeHeader(0x30, byteLength) : Buffer.alloc(0),
    ].map(encodeDer),
  )
  const end = encodeDer(contextConstructed(0, sequence(...encodeExtensions(content, subjectKeyIdentifier))))
  const tbsHeader = encodeHeader(0x30, start.length + byteLength + end.length)
  const tbs = [Buffer.concat([tbsHeader, start]), ...entries, end]

  const sign = issuer.signParts ?? ((parts) => issuer.sign(Buffer.concat(parts)))
  const signature = [algorithm.identifier, encodeDer(bitString(await sign(tbs)))]
  const inside = [...tbs, ...signature]
  const length = inside.reduce((sum, part) => sum + part.length, 0)
  const parts = [encodeHeader(0x30, length), ...inside]
  return { parts, byteLength: length + (parts[0]?.length ?? 0), der: () => Buffer.concat(parts) }
}

function encodeExtensions(content: CrlContent, keyIdentifier: Buffer): Der[] {
  const { number, urls, scope = 'leaf', baseNumber, freshestUrls = [] } = content
  return [
    extensions.authorityKeyIdentifier(keyIdentifier),
    extensions.extension(oids.crlNumber, integer(number)),
    ...(urls.length > 0 || scope !== 'all' ? [issuingDistributionPoint(urls, scope)] : []),
    ...(baseNumber === undefined ? [] : [extensions.extension(oids.deltaCrlIndicator, integer(baseNumber), true)]),
    ...(freshestUrls.length > 0 ? [extensions.distributionPoints(oids.freshestCrl, freshestUrls)] : []),
  ]
}

/** RFC 5280 §5.2.5. */
function issuingDistributionPoint(urls: readonly string[], scope: 'leaf' | 'ca' | 'all'): Der {
  const parts: Der[] = []
  if (urls.length > 0) parts.push(contextConstructed(0, contextConstructed(0, ...urls.map(extensions.uri))))
  if (scope !== 'all') parts.push(contextPrimitive(scope === 'leaf' ? 1 : 2, booleanTrue.subarray(2)))
  return extensions.extension(oids.issuingDistributionPoint, sequence(...parts), true)
}

function integer(value: number | bigint): Der {
  const hex = BigInt(value).toString(16)
  return unsignedInteger(Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex'))
}

function requireSound({ certificate }: CrlIssuer, content: CrlContent): void {
  const { number, baseNumber, thisUpdate, nextUpdate, freshestUrls } = content
  if (!certificate.ca) throw new RangeError('only a CA signs CRLs')
  if (!(nextUpdate > thisUpdate)) throw new RangeError('the next CRL comes after this one')
  // RFC 5280 §5.2.3: 20 octets are the most that others must read.
  if (number < 0 || BigInt(number) >= 1n << 159n) throw new RangeError('the CRL number is out of range')
  if (baseNumber === undefined) return
  if (baseNumber < 0 || baseNumber >= number) throw new RangeError('a delta CRL comes after the one it completes')
  if (freshestUrls?.length) throw new RangeError('a delta CRL does not point to another')
}
