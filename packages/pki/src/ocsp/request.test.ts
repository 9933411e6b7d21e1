import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTestCa } from '../testing.ts'
import { encodeOcspCertId, encodeOcspRequest, isIssuedBy, ocspIssuerHashes } from './cert-id.ts'
import { readOcspRequest } from './request.ts'
import { createOcspResponder } from './responder.ts'
import { signOcspResponse } from './response.ts'

const now = new Date('2026-11-21T08:00:00Z')
const ca = await createTestCa({ now })
const hashes = ocspIssuerHashes(ca.issuer.certificate)
const responder = await createOcspResponder(ca.issuer, { notBefore: now })
const serial = '5c'.repeat(16)
const certId = encodeOcspCertId(hashes, serial)
const whole = encodeOcspRequest([certId], Buffer.alloc(16, 1))
const goodAnswer = await signOcspResponse(responder, {
  answers: [{ status: 'good', certId, thisUpdate: now }],
  producedAt: now,
})

describe('rejects', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['something behind it', Buffer.concat([whole, Buffer.of(0)])],
    ['an empty list', encodeOcspRequest([])],
    ['too many', encodeOcspRequest(Array.from({ length: 17 }, (_, i) => encodeOcspCertId(hashes, `41${10 + i}`)))],
    ['an empty nonce', encodeOcspRequest([certId], Buffer.alloc(0))],
    ['a long nonce', encodeOcspRequest([certId], Buffer.alloc(129))],
    ['a response', goodAnswer],
    ['text that is not base64', 'MEIwQ*'],
    ['a bad percent-encoding', '%E0%A4%A'],
  ])('%s', (_, request) => {
    expect(() => readOcspRequest(request)).toThrow(expect.objectContaining({ code: 'request-invalid' }))
  })

  test.each([
    ['DER', Buffer.alloc(4097)],
    ['base64', Buffer.alloc(4100, 48).toString('base64')],
    ['a path', '%4'.repeat(20_000)],
  ])('too much %s', (_, request) => {
    expect(() => readOcspRequest(request)).toThrow(expect.objectContaining({ code: 'request-too-large' }))
  })

  test('a nonce of 1 and of 128 octets is taken', () => {
    for (const length of [1, 32, 128])
      expect(readOcspRequest(encodeOcspRequest([certId], Buffer.alloc(length, 9))).nonce).toEqual(
        Buffer.alloc(length, 9),
      )
  })

  test('answers about nothing, and an end before the beginning', async () => {
    await expect(signOcspResponse(responder, { answers: [], producedAt: now })).rejects.toThrow(RangeError)
    const answers = [{ status: 'good' as const, certId, thisUpdate: now, nextUpdate: now }]
    await expect(signOcspResponse(responder, { answers, producedAt: now })).rejects.toThrow(RangeError)
  })
})

const codes = ['request-invalid', 'request-too-large']

function answerOf(input: Uint8Array | string): string {
  try {
    return `${readOcspRequest(input).certIds.length > 0}`
  } catch (error) {
    return (error as { code: string }).code
  }
}

describe('whatever the bytes', () => {
  test('mutations get an answer or a refusal', () => {
    const mutation = fc.record({ at: fc.nat(whole.length - 1), octet: fc.nat(255), cut: fc.nat(3), insert: fc.nat(3) })
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        let bytes = Buffer.from(whole)
        for (const { at, octet, cut, insert } of mutations)
          bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(insert, octet), bytes.subarray(at + cut)])
        expect(['true', ...codes]).toContain(answerOf(bytes))
      }),
      { numRuns: 3000 },
    )
  })

  test('every single octet, changed to every value', () => {
    for (let at = 0; at < whole.length; at++)
      for (let octet = 0; octet < 256; octet += 3) {
        const bytes = Buffer.from(whole)
        bytes[at] = octet
        expect(['true', 'request-invalid']).toContain(answerOf(bytes))
      }
  })

  test('any bytes and any text', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => codes.includes(answerOf(bytes))))
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => codes.includes(answerOf(text))))
  })

  test('any serial number comes back as it was', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), (bytes) => {
        const serial = Buffer.from(bytes).toString('hex')
        const [read] = readOcspRequest(encodeOcspRequest([encodeOcspCertId(hashes, serial, 'sha256')])).certIds
        expect(BigInt(`0x${read?.serial}`)).toBe(BigInt(`0x${serial}`))
        expect(read && isIssuedBy(read, hashes)).toBe(true)
      }),
    )
  })

  test('a certificate of another issuer is told apart', async () => {
    const other = ocspIssuerHashes((await createTestCa({ now })).issuer.certificate)
    const [asked] = readOcspRequest(encodeOcspRequest([certId])).certIds
    expect(asked && isIssuedBy(asked, other)).toBe(false)
  })
})
