import { createHash, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeSigned } from '../certificate/encode.ts'
import { encodeName } from '../certificate/name.ts'
import {
  contextConstructed,
  type Der,
  encodeDer,
  objectIdentifier,
  sequence,
  set,
  smallInteger,
} from '../der/writer.ts'
import { encodePem } from '../pem.ts'
import { signatureAlgorithmFor } from '../signatures.ts'
import { openOpensslRoom } from '../testing/openssl.ts'
import { poolKey } from '../testing.ts'
import { Pkcs10CertificateRequest } from '../x509.ts'
import { createCsr } from './create.ts'
import { readCsr } from './read.ts'

const label = 'CERTIFICATE REQUEST'
const algorithms = ['p256', 'p384', 'ed25519', 'rsa2048', 'rsa3072'] as const
const key = await poolKey()
const der = createCsr(key, 'pump-7')

function refusalOf(input: string | Uint8Array): string {
  try {
    readCsr(input)
  } catch (error) {
    if (error instanceof MusterError) return error.code
    throw error
  }
  return 'accepted'
}

describe('a request that was created', () => {
  test.each(algorithms)('with a %s key is read, and verified by openssl and @peculiar/x509', async (algorithm) => {
    const privateKey = await poolKey(algorithm)
    const request = createCsr(privateKey, 'pump-7')
    const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
    const read = readCsr(request)
    expect(read.spki).toEqual(spki)
    expect(read.keyFingerprint).toBe(createHash('sha256').update(spki).digest('hex'))
    expect(read.publicKey.equals(createPublicKey(privateKey))).toBe(true)
    expect(read.subject).toBe('CN=pump-7')

    const reference = new Pkcs10CertificateRequest(request)
    expect(reference.subject).toBe('CN=pump-7')
    expect(await reference.verify()).toBe(true)

    await using room = await openOpensslRoom()
    await room.write('csr.der', request)
    expect(await room.openssl('req', '-inform', 'DER', '-in', 'csr.der', '-verify', '-noout', '-subject')).toMatch(
      /^subject=CN = pump-7\n.*verify OK\n$/,
    )
  })

  test('needs no subject', () => {
    expect(readCsr(createCsr(key)).subject).toBeUndefined()
  })

  test('is refused to a key that may not have a certificate', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-521' })
    expect(() => createCsr(privateKey)).toThrow(expect.objectContaining({ code: 'key-not-allowed' }))
  })
})

describe('accepts', () => {
  const base64 = der.toString('base64')
  test.each([
    ['DER', der],
    ['DER in a plain Uint8Array', Uint8Array.from(der)],
    ['PEM', encodePem(label, der)],
    ['PEM with CRLF', encodePem(label, der).replaceAll('\n', '\r\n')],
    ['PEM without a last line break', encodePem(label, der).trimEnd()],
    ['PEM of the old label', encodePem(`NEW ${label}`, der)],
    ['PEM after text', `Certificate Request:\n    Data:\n${encodePem(label, der)}`],
    ['base64 on one line', base64],
    ['base64 in lines', base64.replace(/.{64}/g, '$&\n')],
    ['base64 in lines with CRLF', `${base64.replace(/.{76}/g, '$&\r\n')}\r\n`],
  ])('%s', (_, input) => {
    expect(readCsr(input).subject).toBe('CN=pump-7')
  })

  test.each([
    ['P-256', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']],
    ['P-384 signed with SHA-512', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-sha512']],
    ['Ed25519', ['-newkey', 'ed25519']],
    ['RSA', ['-newkey', 'rsa:2048']],
    ['RSA signed with SHA-384', ['-newkey', 'rsa:2048', '-sha384']],
    [
      'RSA signed with PSS',
      ['-newkey', 'rsa:2048', '-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:-1'],
    ],
  ])('openssl, %s, with attributes and extensions', async (_, options) => {
    await using room = await openOpensslRoom()
    await room.write(
      'req.cnf',
      [
        '[req]\nprompt=no\nstring_mask=utf8only\ndistinguished_name=dn\nattributes=at\nreq_extensions=ext',
        '[dn]\nC=DE\nO=Bürgel, Söhne + Co\nOU=Werk 4\nserialNumber=0815\nCN=pump 7',
        '[at]\nchallengePassword=a password\nunstructuredName=über',
        '[ext]\nsubjectAltName=DNS:pump-7.local,IP:10.0.0.7\nkeyUsage=critical,digitalSignature\nbasicConstraints=CA:TRUE',
      ].join('\n'),
    )
    await room.openssl('req', '-new', '-utf8', '-nodes', '-config', 'req.cnf', ...options, '-text', '-out', 'csr.pem')
    const read = readCsr((await room.read('csr.pem')).toString())
    expect(read.subject).toBe('C=DE, O=Bürgel\\, Söhne \\+ Co, OU=Werk 4, serialNumber=0815, CN=pump 7')
  })
})

describe('refuses', () => {
  test.each([
    ['', 'csr-invalid'],
    ['hello', 'csr-invalid'],
    ['-----BEGIN CERTIFICATE REQUEST-----', 'csr-invalid'],
    [encodePem('CERTIFICATE', der), 'csr-invalid'],
    [encodePem(label, der) + encodePem(label, der), 'csr-invalid'],
    [encodePem(label, Buffer.concat([der, Buffer.of(0)])), 'csr-invalid'],
    [`${der.toString('base64').slice(0, -4)}-_-_`, 'csr-invalid'],
    ['A'.repeat(1_000_000), 'csr-invalid'],
    [encodePem(label, Buffer.alloc(20_000, 0x30)), 'csr-invalid'],
  ])('text %#', (input, code) => {
    expect(refusalOf(input)).toBe(code)
  })

  test('a request of more than 16 KiB, however it is given', () => {
    const large = signed([smallInteger(0), encodeName({ commonName: 'x'.repeat(17_000) }), spki, contextConstructed(0)])
    expect(refusalOf(large)).toBe('csr-invalid')
    expect(refusalOf(large.toString('base64'))).toBe('csr-invalid')
  })

  test.each([
    ['MD5', ['-newkey', 'rsa:2048', '-md5'], 'csr-invalid'],
    ['SHA-1 with RSA', ['-newkey', 'rsa:2048', '-sha1'], 'csr-invalid'],
    ['SHA-1 with ECDSA', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha1'], 'csr-invalid'],
    ['SHA-224', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-sha224'], 'csr-invalid'],
    ['an RSA key of 1,024 bits', ['-newkey', 'rsa:1024'], 'key-not-allowed'],
    ['P-521', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-521'], 'key-not-allowed'],
    [
      'explicit curve parameters',
      ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-pkeyopt', 'ec_param_enc:explicit'],
      'key-not-allowed',
    ],
  ])('openssl with %s', async (_, options, code) => {
    await using room = await openOpensslRoom()
    await room.openssl('req', '-new', '-nodes', '-subj', '/CN=x', ...options, '-keyout', 'k.pem', '-out', 'csr.pem')
    expect(refusalOf((await room.read('csr.pem')).toString())).toBe(code)
  })

  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const algorithm = signatureAlgorithmFor(key)
  const name = encodeName({ commonName: 'pump-7' })
  function signed(info: Der[], by = key): Buffer {
    const bytes = encodeDer(sequence(...info))
    return encodeSigned(bytes, algorithm, sign('sha256', bytes, by))
  }

  test('a signature by another key', async () => {
    const info = [smallInteger(0), name, spki, contextConstructed(0)]
    expect(refusalOf(signed(info))).toBe('accepted')
    expect(refusalOf(signed(info, await poolKey('p256', 1)))).toBe('csr-invalid')
  })

  test('a signature algorithm that does not fit the key', async () => {
    const info = encodeDer(sequence(smallInteger(0), name, spki, contextConstructed(0)))
    for (const other of ['rsa2048', 'ed25519'] as const) {
      const foreign = signatureAlgorithmFor(await poolKey(other))
      expect(refusalOf(encodeSigned(info, foreign, sign('sha256', info, key)))).toBe('csr-invalid')
    }
  })

  test.each<[string, Der[]]>([
    ['another version', [smallInteger(1), name, spki, contextConstructed(0)]],
    ['no attributes', [smallInteger(0), name, spki]],
    ['an attribute that is none', [smallInteger(0), name, spki, contextConstructed(0, smallInteger(1))]],
    [
      'an attribute whose value is not DER',
      [
        smallInteger(0),
        name,
        spki,
        contextConstructed(0, sequence(objectIdentifier('1.2.840.113549.1.9.7'), set(Buffer.of(0x30, 0x80, 0, 0)))),
      ],
    ],
    ['something after the attributes', [smallInteger(0), name, spki, contextConstructed(0), smallInteger(1)]],
    ['a subject that is none', [smallInteger(0), sequence(smallInteger(1)), spki, contextConstructed(0)]],
  ])('%s', (_, info) => {
    expect(refusalOf(signed(info))).toBe('csr-invalid')
  })
})

describe('whatever the bytes', () => {
  test.each(['p256', 'ed25519', 'rsa2048'] as const)('a changed octet is never accepted (%s)', async (algorithm) => {
    const good = createCsr(await poolKey(algorithm), 'pump-7')
    for (let at = 0; at < good.length; at++)
      for (const change of [0x01, 0x80, 0xff]) {
        const mutant = Buffer.from(good)
        mutant[at] = (mutant[at] ?? 0) ^ change
        expect(refusalOf(mutant), `octet ${at}`).toMatch(/^(csr-invalid|key-not-allowed)$/)
      }
  })

  test('a part of a request is never accepted', () => {
    for (let length = 0; length < der.length; length++) expect(refusalOf(der.subarray(0, length))).toBe('csr-invalid')
  })

  test('octets put in, taken out, doubled or swapped are never accepted', () => {
    const edit = fc.record({
      at: fc.nat(der.length - 1),
      take: fc.nat(8),
      put: fc.uint8Array({ maxLength: 8 }),
    })
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        let mutant = der
        for (const { at, take, put } of edits)
          mutant = Buffer.concat([mutant.subarray(0, at), put, mutant.subarray(at + take)])
        fc.pre(!mutant.equals(der))
        expect(refusalOf(mutant)).toMatch(/^(csr-invalid|key-not-allowed)$/)
      }),
      { numRuns: 3000 },
    )
  })

  test('any text and any bytes get an answer', () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.base64String())
    fc.assert(fc.property(text, (input) => refusalOf(input) === 'csr-invalid'))
    fc.assert(
      fc.property(
        text,
        (input) => refusalOf(`-----BEGIN ${label}-----\n${input}\n-----END ${label}-----`) === 'csr-invalid',
      ),
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 4096 }), (input) => refusalOf(input) === 'csr-invalid'))
    expect(refusalOf(randomBytes(16 * 1024))).toBe('csr-invalid')
  })

  test('names that try to look like others stay readable', () => {
    const nasty = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(nasty, (commonName) => {
        const { subject = '' } = readCsr(createCsr(key, commonName))
        expect(subject).toMatch(/^CN=/)
        expect(subject).not.toMatch(/[\p{Cc}\p{Cf}]/u)
        expect(subject.replaceAll(/\\./gs, '')).not.toMatch(/[,+"<>;]/)
      }),
    )
  })
})
