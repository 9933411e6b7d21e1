import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTestCa, poolKey } from '../testing.ts'
import { encodeOcspCertId, ocspIssuerHashes } from './cert-id.ts'
import { createOcspResponder } from './responder.ts'
import { encodeOcspError, type OcspStatus, signOcspResponse } from './response.ts'
import { verifyOcspResponse } from './verify-response.ts'

const now = new Date('2026-11-21T08:00:00Z')
const later = (ms: number) => new Date(now.getTime() + ms)
const ca = await createTestCa({ now })
const twin = await createTestCa({ now })
const certificate = new X509Certificate((await ca.issue({ device: 'd-1' }, await poolKey())).der)
const question = { certificate, issuer: ca.issuer.certificate, now }
const responder = await createOcspResponder(ca.issuer, { notBefore: later(-60_000) })
const foreign = await createOcspResponder(twin.issuer, { notBefore: later(-60_000) })
const certIdOf = (serial: string) => encodeOcspCertId(ocspIssuerHashes(ca.issuer.certificate), serial)
const own = certIdOf(certificate.serialNumber.toLowerCase())

const respond = (status: OcspStatus, more = {}, by = responder, producedAt = now) =>
  signOcspResponse(by, {
    answers: [{ ...status, certId: own, thisUpdate: now, nextUpdate: later(3_600_000), ...more }],
    producedAt,
  })
const good = await respond({ status: 'good' })
const wrong: [string, Uint8Array][] = [
  ['an error', encodeOcspError('tryLater')],
  ['nothing', Buffer.alloc(0)],
  ['too much', Buffer.alloc(16_385)],
  ['something behind it', Buffer.concat([good, Buffer.of(0)])],
  ['one of another CA of the same name', await respond({ status: 'good' }, {}, foreign)],
  ['one without an end', await respond({ status: 'good' }, { nextUpdate: undefined })],
  ['one about another certificate', await respond({ status: 'good' }, { certId: certIdOf('41'.repeat(16)) })],
  ['one from the future', await respond({ status: 'good' }, { thisUpdate: later(600_000) })],
]
const refused = (der: Uint8Array, at = now) => {
  try {
    verifyOcspResponse(der, { ...question, now: at })
  } catch (error) {
    return (error as { code?: string }).code
  }
  return undefined
}

test.each([
  [{ status: 'good' }],
  [{ status: 'revoked', at: later(-60_000), reason: 'keyCompromise' }],
  [{ status: 'unknown' }],
] satisfies [OcspStatus][])('works: reads %j', async (status) => {
  expect(verifyOcspResponse(await respond(status), question)).toEqual({
    status: status.status,
    thisUpdate: now,
    nextUpdate: later(3_600_000),
  })
})

describe('rejects', () => {
  test.each(wrong)('%s', (_, der) => expect(refused(der)).toBe('certificate-untrusted'))

  test('one that has ended, and one of a responder that has', () => {
    expect(refused(good, later(3_600_000))).toBe('certificate-untrusted')
    expect(refused(good, later(-120_000))).toBe('certificate-untrusted')
  })

  test('one changed anywhere, without ever failing otherwise', () => {
    fc.assert(
      fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Buffer.from(good)
        changed[at] = (changed[at] ?? 0) ^ flip
        expect([undefined, 'certificate-untrusted']).toContain(refused(changed))
      }),
      { numRuns: 300 },
    )
  })
})
