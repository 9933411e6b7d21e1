import { createPublicKey } from 'node:crypto'
import { poolKey } from '@muster/pki/testing'
import { describe, expect, test } from 'vitest'
import { curves, encodeEcPublicKey, encodeRsaPublicKey } from './public-key.ts'
import { TokenError } from './token-error.ts'

describe.each(['p256', 'p384'] as const)('a point on %s', (algorithm) => {
  const { parameters, bytes } = curves[algorithm]

  async function load() {
    const spki = createPublicKey(await poolKey(algorithm)).export({ type: 'spki', format: 'der' })
    const point = spki.subarray(-2 * bytes - 1)
    return { spki, point }
  }

  test.each(['bare', 'in an OCTET STRING'])('%s', async (form) => {
    const { spki, point } = await load()
    const given = form === 'bare' ? point : Buffer.concat([Buffer.from([0x04, point.length]), point])
    expect(encodeEcPublicKey(parameters, given)).toEqual(spki)
  })

  test('that is none is refused', async () => {
    const { point } = await load()
    const beside = Buffer.from(point)
    beside.writeUInt8((beside.at(-1) ?? 0) ^ 1, beside.length - 1)
    for (const given of [beside, point.subarray(1), point.subarray(0, 20), Buffer.alloc(0)])
      expect(() => encodeEcPublicKey(parameters, given)).toThrow(TokenError)
  })
})

test('another curve is refused', () => {
  const brainpool = Buffer.from('06092b2403030208010107', 'hex')
  expect(() => encodeEcPublicKey(brainpool, Buffer.alloc(65, 4))).toThrow(TokenError)
})

test('RSA', async () => {
  const key = createPublicKey(await poolKey('rsa3072'))
  const { n = '', e = '' } = key.export({ format: 'jwk' })
  const spki = encodeRsaPublicKey(Buffer.from(String(n), 'base64url'), Buffer.from(String(e), 'base64url'))
  expect(spki).toEqual(key.export({ type: 'spki', format: 'der' }))
})
