import { createPublicKey, hash, type KeyObject, sign, verify, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createCsr } from '../csr/create.ts'
import { readCsr } from '../csr/read.ts'
import { createTestCa, poolKey } from '../testing.ts'
import { createRenewalProof, type RenewalProof } from './create.ts'
import { parseRenewalProof, verifyRenewalProof } from './verify.ts'

const now = new Date('2026-11-21T08:00:00.123Z')
const ca = await createTestCa({ now })
const key = await poolKey()
const newKey = await poolKey('p256', 1)
const csr = createCsr(newKey, 'pump-7')
const otherCsr = createCsr(await poolKey('p256', 2), 'pump-7')

async function certify(key: KeyObject): Promise<X509Certificate> {
  return new X509Certificate((await ca.issue({ device: 'pump-7' }, key)).der)
}
const serialOf = (certificate: X509Certificate) => certificate.serialNumber.toLowerCase()

const certificate = await certify(key)
const serial = serialOf(certificate)
const proof = createRenewalProof({ serial, key, csr, at: now })
const codeOf = (input: unknown, by = certificate): string => {
  try {
    verifyRenewalProof(input, by)
    return 'accepted'
  } catch (error) {
    return (error as { code?: string }).code ?? String(error)
  }
}

describe('works', () => {
  test.each(['p256', 'p384', 'ed25519', 'rsa2048'] as const)('with a %s key', async (algorithm) => {
    const current = await poolKey(algorithm, 3)
    const certificate = await certify(current)
    const made = createRenewalProof({ serial: serialOf(certificate), key: current, csr, at: now })
    const verified = verifyRenewalProof(JSON.parse(JSON.stringify(made)), certificate)
    expect(verified.at).toEqual(now)
    expect(verified.csrDer).toEqual(csr)
    expect(verified.csr.keyFingerprint).toBe(readCsr(csr).keyFingerprint)
    expect(verified.nonce).toBe(made.nonce)
  })

  test('with a clock in 1970', () => {
    const at = new Date(5000)
    expect(verifyRenewalProof(createRenewalProof({ serial, key, csr, at }), certificate).at).toEqual(at)
  })

  test('the message is what its description says', () => {
    const field = (bytes: Uint8Array) => Buffer.concat([Buffer.of(0, 0, 0, bytes.length), bytes])
    const time = Buffer.alloc(8)
    time.writeBigUInt64BE(BigInt(now.getTime()))
    const message = Buffer.concat([
      field(Buffer.from('muster renewal 1')),
      field(Buffer.from(serial, 'hex')),
      field(hash('sha256', csr, 'buffer')),
      field(time),
      field(Buffer.from(proof.nonce, 'hex')),
    ])
    expect(verify('sha256', message, createPublicKey(key), Buffer.from(proof.signature, 'base64'))).toBe(true)
  })

  test('no two are alike', () => {
    expect(createRenewalProof({ serial, key, csr, at: now }).nonce).not.toBe(proof.nonce)
  })
})

describe('rejects', () => {
  test.each([
    ['another request', { csr: otherCsr.toString('base64') }],
    ['another time', { at: proof.at + 1 }],
    ['another nonce', { nonce: '00'.repeat(16) }],
    ['another serial number', { serial: '41'.repeat(16) }],
    ['another signature', { signature: createRenewalProof({ serial, key, csr, at: now }).signature }],
    ['no signature to speak of', { signature: Buffer.alloc(64).toString('base64') }],
  ] satisfies [string, Partial<RenewalProof>][])('%s', (_, change) => {
    expect(codeOf({ ...proof, ...change })).toBe('not-authenticated')
  })

  test('the key of another device, and of the new request', async () => {
    const other = await poolKey('p256', 2)
    expect(codeOf(createRenewalProof({ serial, key: other, csr, at: now }))).toBe('not-authenticated')
    expect(codeOf(createRenewalProof({ serial, key: newKey, csr, at: now }))).toBe('not-authenticated')
    expect(codeOf(createRenewalProof({ serial, key: await poolKey('ed25519'), csr, at: now }))).toBe(
      'not-authenticated',
    )
  })

  test('another certificate of the same key', async () => {
    expect(codeOf(proof, await certify(key))).toBe('not-authenticated')
  })

  test('a request that is not good, though its bearer signed it', () => {
    const broken = Buffer.from(csr)
    broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1
    expect(codeOf(createRenewalProof({ serial, key, csr: broken, at: now }))).toBe('csr-invalid')
    const nothing = createRenewalProof({ serial, key, csr: Buffer.of(0x30, 0), at: now })
    expect(codeOf(nothing)).toBe('csr-invalid')
  })

  test('a signature over something else, of the same parts', () => {
    const parts = [Buffer.from('muster renewal 1'), Buffer.from(serial, 'hex'), hash('sha256', csr, 'buffer')]
    const signature = sign('sha256', Buffer.concat(parts), key).toString('base64')
    expect(codeOf({ ...proof, signature })).toBe('not-authenticated')
    expect(codeOf({ ...proof, signature: sign('sha256', csr, key).toString('base64') })).toBe('not-authenticated')
  })

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['text', JSON.stringify(proof)],
    ['a list', [proof]],
    ['a field more', { ...proof, device: 'pump-7' }],
    ['another version', { ...proof, version: 2 }],
    ['a serial number in capitals', { ...proof, serial: serial.toUpperCase() }],
    ['a time that is text', { ...proof, at: String(proof.at) }],
    ['a fraction of a time', { ...proof, at: 0.5 }],
    ['a time before 1970', { ...proof, at: -1 }],
    ['a time that never comes', { ...proof, at: 8.64e15 + 2 }],
    ['a short nonce', { ...proof, nonce: '00' }],
    ['a PEM request', { ...proof, csr: '-----BEGIN CERTIFICATE REQUEST-----' }],
    ['base64 that no encoder writes', { ...proof, signature: `${proof.signature}=` }],
    ['base64 of another alphabet', { ...proof, csr: '_-8' }],
    ['too much', { ...proof, csr: 'A'.repeat(24 * 1024 + 4) }],
    ['too long a signature', { ...proof, signature: 'A'.repeat(1028) }],
  ])('%s', (_, input) => {
    expect(codeOf(input)).toBe('request-invalid')
  })

  test.each(['version', 'serial', 'csr', 'at', 'nonce', 'signature'] as const)('without %s', (field) => {
    const { [field]: _, ...rest } = proof
    expect(codeOf(rest)).toBe('request-invalid')
  })
})

describe('whatever comes', () => {
  const refusals = ['request-invalid', 'not-authenticated', 'csr-invalid', 'key-not-allowed']

  test('a changed character is never accepted', () => {
    const text = JSON.stringify(proof)
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, character) => {
        const changed = text.slice(0, at) + character + text.slice(at + 1)
        let input: unknown
        try {
          input = JSON.parse(changed)
        } catch {
          return
        }
        if (JSON.stringify(input) !== text) expect(refusals).toContain(codeOf(input))
      }),
      { numRuns: 1000 },
    )
  })

  test('any value is refused by name', () => {
    fc.assert(fc.property(fc.anything(), (input) => refusals.includes(codeOf(input))))
    fc.assert(
      fc.property(fc.record({ ...mapValues(proof, () => fc.anything()) }), (input) => refusals.includes(codeOf(input))),
    )
  })

  test('what was parsed is what was sent', () => {
    expect(parseRenewalProof(proof)).toEqual(proof)
  })
})

function mapValues<T extends object, V>(object: T, map: () => V): Record<keyof T, V> {
  return Object.fromEntries(Object.keys(object).map((key) => [key, map()])) as Record<keyof T, V>
}
