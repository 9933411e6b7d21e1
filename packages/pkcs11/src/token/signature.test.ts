import { createPublicKey, sign, verify } from 'node:crypto'
import { poolKey } from '@muster/pki/testing'
import { expect, test } from 'vitest'
import { encodeEcdsaSignature } from './signature.ts'

const raw = (r: string, s: string) => Buffer.from(r.padStart(64, '0') + s.padStart(64, '0'), 'hex')

test.each([
  ['small', raw('01', '7f'), '300602010102017f'],
  ['high bit', raw('80', 'ff'), '3008020200800202' + '00ff'],
  ['nothing', raw('0', '0'), '3006020100020100'],
  ['zeros inside', raw('0100', '010000'), '30090202010002030' + '10000'],
])('r and s become INTEGERs of the shortest form: %s', (_, signature, der) => {
  expect(encodeEcdsaSignature(signature).toString('hex')).toBe(der)
})

test.each(['p256', 'p384'] as const)('openssl takes them: %s', async (algorithm) => {
  const key = await poolKey(algorithm)
  for (let index = 0; index < 300; index++) {
    const message = Buffer.from([index & 0xff, index >> 8])
    const signature = encodeEcdsaSignature(sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' }))
    expect(verify('sha256', message, createPublicKey(key), signature)).toBe(true)
  }
})
