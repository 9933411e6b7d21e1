import { checkPrimeSync, createPublicKey, generateKeyPairSync, generatePrimeSync, type KeyObject } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { oids } from '../der/oids.ts'
import {
  bitString,
  encodeDer,
  nullValue,
  objectIdentifier,
  sequence,
  smallInteger,
  unsignedInteger,
} from '../der/writer.ts'
import { openOpensslRoom } from '../testing/openssl.ts'
import { poolKey } from '../testing.ts'
import { requireAllowedKey } from './require-allowed-key.ts'

const spkiOf = (key: KeyObject) => createPublicKey(key).export({ type: 'spki', format: 'der' })

function refusalOf(spki: Uint8Array): string {
  try {
    requireAllowedKey(spki)
  } catch (error) {
    if (error instanceof MusterError) return error.code
    throw error
  }
  return 'allowed'
}

function rsaSpki(modulus: bigint, exponent = 65_537): Buffer {
  const hex = modulus.toString(16)
  const magnitude = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  const key = encodeDer(sequence(unsignedInteger(magnitude), smallInteger(exponent)))
  return encodeDer(sequence(sequence(objectIdentifier(oids.rsaEncryption), nullValue), bitString(key)))
}

const curveSpki = (curve: string, point: Buffer) =>
  encodeDer(sequence(sequence(objectIdentifier(oids.ecPublicKey), objectIdentifier(curve)), bitString(point)))
const ed25519Spki = (point: Uint8Array) =>
  encodeDer(sequence(sequence(objectIdentifier(oids.ed25519)), bitString(point)))
const pointOf = (spki: Buffer) => spki.subarray(-65)

describe('allowed', () => {
  test.each(['p256', 'p384', 'ed25519', 'rsa2048', 'rsa3072'] as const)('%s', async (algorithm) => {
    const spki = spkiOf(await poolKey(algorithm))
    expect(requireAllowedKey(spki).export({ type: 'spki', format: 'der' })).toEqual(spki)
  })
})

describe('refused', () => {
  test.each(['P-521', 'secp256k1', 'P-224', 'brainpoolP256r1'])('the curve %s', (namedCurve) => {
    expect(refusalOf(spkiOf(generateKeyPairSync('ec', { namedCurve }).privateKey))).toBe('key-not-allowed')
  })

  test('a curve given by explicit parameters', async () => {
    await using room = await openOpensslRoom()
    await room.openssl(
      'ecparam',
      '-name',
      'prime256v1',
      '-param_enc',
      'explicit',
      '-genkey',
      '-noout',
      '-out',
      'key.pem',
    )
    await room.openssl('pkey', '-in', 'key.pem', '-pubout', '-outform', 'DER', '-out', 'key.der')
    expect(refusalOf(await room.read('key.der'))).toBe('key-not-allowed')
  })

  test('other encodings of an allowed EC point, and points that are not on the curve', async () => {
    const point = pointOf(spkiOf(await poolKey()))
    const odd = (point.at(-1) ?? 0) & 1
    const compressed = Buffer.concat([Buffer.of(2 + odd), point.subarray(1, 33)])
    const hybrid = Buffer.concat([Buffer.of(6 + odd), point.subarray(1)])
    const moved = Buffer.from(point)
    moved[64] = (moved[64] ?? 0) ^ 1
    expect(refusalOf(curveSpki(oids.p256, point))).toBe('allowed')
    for (const other of [compressed, hybrid, moved, Buffer.of(0), Buffer.alloc(65, 4), point.subarray(0, 64)])
      expect(refusalOf(curveSpki(oids.p256, other))).toBe('key-not-allowed')
    expect(refusalOf(curveSpki(oids.p384, point))).toBe('key-not-allowed')
  })

  test('X25519, Ed448, DSA and RSA-PSS keys', () => {
    const keys = [
      generateKeyPairSync('x25519').privateKey,
      generateKeyPairSync('ed448').privateKey,
      generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 }).privateKey,
      generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey,
    ]
    for (const key of keys) expect(refusalOf(spkiOf(key))).toBe('key-not-allowed')
  })

  test.each([
    ['zero', '00'.repeat(32)],
    ['the identity', `01${'00'.repeat(31)}`],
    ['a point of order 8', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'],
    ['its negative', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85'],
    ['another of order 8', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'],
    ['the point of order 2', `ec${'ff'.repeat(30)}7f`],
    ['a second spelling of the identity', `ee${'ff'.repeat(30)}7f`],
    ['31 octets', '11'.repeat(31)],
  ])('an Ed25519 key that is %s', (_, point) => {
    expect(refusalOf(ed25519Spki(Buffer.from(point, 'hex')))).toBe('key-not-allowed')
  })

  test('bytes that are no key, or a key with more behind it', async () => {
    const spki = spkiOf(await poolKey())
    expect(refusalOf(Buffer.concat([spki, Buffer.of(0)]))).toBe('key-not-allowed')
    fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => refusalOf(bytes) === 'key-not-allowed'))
  })
})

describe('RSA', () => {
  const [p, q] = [generatePrimeSync(1024, { bigint: true }), generatePrimeSync(1024, { bigint: true })]
  const modulus = p * q

  test('of 2,048 to 4,096 bits with exponent 65537', async () => {
    const sound = (await poolKey('rsa2048')).export({ format: 'jwk' }).n ?? ''
    const n = BigInt(`0x${Buffer.from(sound, 'base64url').toString('hex')}`)
    expect(refusalOf(rsaSpki(n))).toBe('allowed')
    for (const exponent of [1, 3, 17, 65_536, 65_539]) expect(refusalOf(rsaSpki(n, exponent))).toBe('key-not-allowed')
  })

  test.each([512, 1024, 2047, 4097, 16_384])('of %i bits is refused', (bits) => {
    expect(refusalOf(rsaSpki((1n << BigInt(bits - 1)) | 1n))).toBe('key-not-allowed')
  })

  test('without the NULL parameter is refused', () => {
    const key = encodeDer(sequence(unsignedInteger(Buffer.alloc(256, 0xff)), smallInteger(65_537)))
    const spki = encodeDer(sequence(sequence(objectIdentifier(oids.rsaEncryption)), bitString(key)))
    expect(refusalOf(spki)).toBe('key-not-allowed')
  })

  test('with a small factor is refused', () => {
    for (const factor of [2n, 3n, 7n, 743n])
      expect(refusalOf(rsaSpki((modulus / factor) * factor))).toBe('key-not-allowed')
  })

  test('with factors close to each other is refused', () => {
    let other = p + 2n
    while (!checkPrimeSync(other)) other += 2n
    expect(refusalOf(rsaSpki(p * other))).toBe('key-not-allowed')
  })

  test('made by a chip with CVE-2017-15361 is refused', () => {
    expect(refusalOf(rsaSpki(rocaPrime() * rocaPrime()))).toBe('key-not-allowed')
  })

  test('that is sound is not taken for a weak one', () => {
    for (let i = 0; i < 8; i++) {
      const [a, b] = [generatePrimeSync(1024, { bigint: true }), generatePrimeSync(1024, { bigint: true })]
      if ((a * b).toString(2).length === 2048) expect(refusalOf(rsaSpki(a * b))).toBe('allowed')
    }
  })
})

/** p = k * M + (65537^a mod M), M the product of the first 126 primes, as the faulty library made them. */
function rocaPrime(): bigint {
  let product = 1n
  let count = 0
  for (let n = 2; count < 126; n++) {
    if (product % BigInt(n) === 0n || !isPrime(n)) continue
    product *= BigInt(n)
    count++
  }
  let rem = 1n
  for (let i = 0; i < 12_345; i++) rem = (rem * 65_537n) % product
  return generatePrimeSync(1024, { bigint: true, add: product, rem })
}

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
  return true
}
