import { createPublicKey, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createCsr } from '../csr/create.ts'
import { issueCertificate } from '../issue.ts'
import { openOpensslRoom } from '../testing/openssl.ts'
import { createTestCa, poolKey } from '../testing.ts'
import { X509Certificates } from '../x509.ts'
import { decodeEstBody, encodeEstBody } from './body.ts'
import { encodeCertsOnly } from './certs-only.ts'
import { encodeCsrAttributes } from './csr-attributes.ts'
import { requireSameSubject } from './require-same-subject.ts'

const now = new Date('2026-11-21T08:00:00Z')
const ca = await createTestCa({ now })
const key = await poolKey()
const leaf = await issueCertificate(ca.issuer, {
  identity: { fleet: 'north', group: 'pumps', device: 'pump-7', profile: 'device' },
  spki: createPublicKey(key).export({ type: 'spki', format: 'der' }),
  trustDomain: 'muster.local',
  notBefore: now,
  notAfter: new Date(now.getTime() + 90 * 86_400_000),
})
const chain = [ca.issuer.certificate.raw, ca.root.raw]
const sorted = (certificates: readonly Uint8Array[]) =>
  certificates.map((der) => Buffer.from(der).toString('hex')).sort()

describe('certificates', () => {
  test('openssl pkcs7 and cms, GnuTLS and @peculiar/x509 read all of them', async () => {
    const der = encodeCertsOnly(chain)
    await using room = await openOpensslRoom()
    await room.write('certs.p7', der)
    const pem = await room.openssl('pkcs7', '-inform', 'DER', '-in', 'certs.p7', '-print_certs')
    const blocks = pem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? []
    expect(sorted(blocks.map((block) => new X509Certificate(block).raw))).toEqual(sorted(chain))
    const cms = await room.openssl('cms', '-cmsout', '-print', '-inform', 'DER', '-in', 'certs.p7')
    expect(cms).toContain('contentType: pkcs7-signedData (1.2.840.113549.1.7.2)')
    expect(cms).toMatch(/signerInfos:\s+<EMPTY>/)
    const info = await room.run('certtool', '--p7-info', '--inder', '--infile', 'certs.p7')
    expect(info).toContain('Number of certificates: 2')
    expect(sorted(new X509Certificates(der).map(({ rawData }) => new Uint8Array(rawData)))).toEqual(sorted(chain))
  })

  test('the chain that was sent makes the certificate good', async () => {
    await using room = await openOpensslRoom()
    await room.write('cacerts', encodeEstBody(encodeCertsOnly(chain)))
    await room.write('enrolled', encodeEstBody(encodeCertsOnly([leaf.der])))
    for (const name of ['cacerts', 'enrolled']) {
      await room.openssl('base64', '-d', '-in', name, '-out', `${name}.p7`)
      await room.openssl('pkcs7', '-inform', 'DER', '-in', `${name}.p7`, '-print_certs', '-out', `${name}.pem`)
    }
    await room.write('root.pem', ca.root.toString())
    const attime = String(now.getTime() / 1000 + 60)
    const args = ['-attime', attime, '-CAfile', 'root.pem', '-untrusted', 'cacerts.pem', 'enrolled.pem']
    expect(await room.openssl('verify', ...args)).toBe('enrolled.pem: OK\n')
  })

  test('is DER: the same bytes in whatever order, and as openssl writes it', async () => {
    const der = encodeCertsOnly(chain)
    expect(encodeCertsOnly(chain.toReversed())).toEqual(der)
    await using room = await openOpensslRoom()
    await room.write('one.pem', leaf.pem)
    await room.openssl('crl2pkcs7', '-nocrl', '-certfile', 'one.pem', '-outform', 'DER', '-out', 'one.p7')
    // openssl writes an empty set of CRLs as well, which is optional: the rest is the same.
    const theirs = (await room.read('one.p7')).toString('hex')
    const ours = encodeCertsOnly([leaf.der]).toString('hex')
    expect(theirs.replace(/a10031003?$/, '3100').slice(-200)).toBe(ours.slice(-200))
  })
})

describe('bodies', () => {
  const der = encodeCertsOnly([leaf.der])

  test.each([64, 76] as const)('lines of %i', (length) => {
    const lines = encodeEstBody(der, length).split('\r\n')
    expect(lines.pop()).toBe('')
    expect(lines.slice(0, -1).every((line) => line.length === length)).toBe(true)
    expect(lines.at(-1)?.length).toBeLessThanOrEqual(length)
    expect(lines.join('')).toBe(der.toString('base64'))
  })

  test('one line', () => {
    expect(encodeEstBody(der, 0)).toBe(der.toString('base64'))
  })

  test.each(['base64 -d', 'base64 -d -A'])('openssl %s', async (command) => {
    await using room = await openOpensslRoom()
    await room.write('body', encodeEstBody(der, command.endsWith('-A') ? 0 : 76))
    await room.openssl(...command.split(' '), '-in', 'body', '-out', 'der')
    expect(await room.read('der')).toEqual(der)
  })

  test('whatever the bytes, with and without line breaks', () => {
    const lengths = fc.constantFrom(0, 64, 76)
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 500 }), lengths, (bytes, length) => {
        const text = encodeEstBody(bytes, length as 0 | 64 | 76)
        expect(decodeEstBody(text)).toEqual(Buffer.from(bytes))
        expect(decodeEstBody(Buffer.from(text))).toEqual(Buffer.from(bytes))
        expect(decodeEstBody(text.replaceAll('\r\n', '\n'))).toEqual(Buffer.from(bytes))
      }),
    )
  })

  test.each([
    ['', 'request-invalid'],
    ['MIIB*', 'request-invalid'],
    ['MII', 'request-invalid'],
    ['MIIB==', 'request-invalid'],
    ['-----BEGIN CERTIFICATE REQUEST-----', 'request-invalid'],
    [Buffer.of(0x30, 0x82, 0, 1), 'request-invalid'],
    ['A'.repeat(32 * 1024 + 4), 'request-too-large'],
  ])('%j is refused', (body, code) => {
    expect(() => decodeEstBody(body)).toThrow(expect.objectContaining({ code }))
  })
})

describe('csrattrs', () => {
  test.each([
    ['p256', ['id-ecPublicKey', 'prime256v1', 'ecdsa-with-SHA256']],
    ['p384', ['id-ecPublicKey', 'secp384r1', 'ecdsa-with-SHA384']],
    ['ed25519', ['ED25519']],
    ['rsa2048', ['rsaEncryption', 'sha256WithRSAEncryption']],
  ] as const)('%s, as openssl reads it', async (algorithm, names) => {
    await using room = await openOpensslRoom()
    await room.write('attributes.der', encodeCsrAttributes(algorithm))
    const text = await room.openssl('asn1parse', '-inform', 'DER', '-in', 'attributes.der')
    expect([...text.matchAll(/OBJECT +:(\S+)/g)].map(([, name]) => name)).toEqual(names)
    if (algorithm === 'rsa2048') expect(text).toMatch(/INTEGER +:0800/)
  })

  test('to the letter', () => {
    expect(encodeCsrAttributes().toString('hex')).toBe(
      '3021' + '301506072a8648ce3d020' + '1310a06082a8648ce3d030107' + '06082a8648ce3d040302',
    )
  })
})

describe('re-enrolment', () => {
  const certificate = new X509Certificate(leaf.der)
  const subject = '/CN=pump-7/OU=pumps/O=north'
  const spiffe = 'URI:spiffe://muster.local/fleet/north/device/pump-7'

  async function request(...args: string[]): Promise<Buffer> {
    await using room = await openOpensslRoom()
    await room.write('key.pem', key.export({ type: 'pkcs8', format: 'pem' }))
    const out = ['-outform', 'DER', '-out', 'csr.der']
    await room.openssl('req', '-new', '-config', '/dev/null', '-key', 'key.pem', ...args, ...out)
    return await room.read('csr.der')
  }

  test.each([
    ['the subject alone', ['-utf8', '-subj', subject]],
    ['the subject in another string type', ['-subj', subject]],
    ['both names', ['-subj', subject, '-addext', `subjectAltName=${spiffe}`]],
    ['other extensions beside', ['-subj', subject, '-addext', 'keyUsage=digitalSignature']],
  ])('with %s', async (_, args) => {
    requireSameSubject(await request(...args), certificate)
  })

  test.each([
    ['another device', ['-subj', '/CN=pump-8/OU=pumps/O=north']],
    ['another order', ['-subj', '/O=north/OU=pumps/CN=pump-7']],
    ['less', ['-subj', '/CN=pump-7']],
    ['more', ['-subj', `${subject}/L=here`]],
    ['another alternative name', ['-subj', subject, '-addext', `subjectAltName=${spiffe}0`]],
    ['a further alternative name', ['-subj', subject, '-addext', `subjectAltName=${spiffe},DNS:localhost`]],
  ])('refuses %s', async (_, args) => {
    const csr = await request(...args)
    expect(() => requireSameSubject(csr, certificate)).toThrow(expect.objectContaining({ code: 'csr-invalid' }))
  })

  test('a value that looks like two attributes is one', () => {
    const csr = createCsr(key, 'pump-7, OU=pumps, O=north')
    expect(() => requireSameSubject(csr, certificate)).toThrow(expect.objectContaining({ code: 'csr-invalid' }))
  })

  test('whatever the bytes', () => {
    const csr = createCsr(key, 'pump-7')
    fc.assert(
      fc.property(fc.nat(csr.length - 1), fc.nat(255), (at, octet) => {
        const bytes = Buffer.from(csr)
        bytes[at] = octet
        expect(() => requireSameSubject(bytes, certificate)).toThrow(expect.objectContaining({ code: 'csr-invalid' }))
      }),
    )
  })
})
