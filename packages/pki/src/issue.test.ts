import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { type Identity, parsePeerIdentity } from '@muster/contracts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { certificateFingerprint, keyFingerprint } from './fingerprint.ts'
import { type CertificateRequest, issueCertificate } from './issue.ts'
import type { Issuer } from './issuer.ts'
import { encodePem } from './pem.ts'
import { maxValidityMs } from './profiles.ts'
import { openOpensslRoom } from './testing/openssl.ts'
import { createTestCa, poolKey } from './testing.ts'
import {
  AuthorityInfoAccessExtension,
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  CRLDistributionPointsExtension,
  X509Certificate as ReferenceCertificate,
  SubjectKeyIdentifierExtension,
} from './x509.ts'

const now = new Date('2026-11-21T08:00:00Z')
const dayMs = 86_400_000
const ca = await createTestCa({ now })
const key = await poolKey()
const spkiOf = (privateKey: KeyObject) => createPublicKey(privateKey).export({ type: 'spki', format: 'der' })

const request: CertificateRequest = {
  identity: { fleet: 'north', group: 'pumps', device: 'pump-7', profile: 'device' },
  spki: spkiOf(key),
  trustDomain: 'muster.local',
  notBefore: new Date(now.getTime() - 300_000),
  notAfter: new Date(now.getTime() + 90 * dayMs),
}

async function openRoom() {
  const room = await openOpensslRoom()
  await room.write('root.pem', ca.root.toString())
  await room.write('chain.pem', ca.issuer.chain.join(''))
  const verify = (...options: string[]) =>
    room.openssl(
      ...['verify', '-x509_strict', '-check_ss_sig', '-attime', String(now.getTime() / 1000), ...options],
      ...['-CAfile', 'root.pem', '-untrusted', 'chain.pem', 'leaf.pem'],
    )
  return Object.assign(room, { verify })
}

describe('works', () => {
  test.each(['p256', 'p384', 'ed25519', 'rsa2048', 'rsa3072'] as const)('for a %s key', async (algorithm) => {
    const spki = spkiOf(await poolKey(algorithm))
    const issued = await issueCertificate(ca.issuer, { ...request, spki })
    expect(issued.keyFingerprint).toBe(keyFingerprint(spki))
    await using room = await openRoom()
    await room.write('leaf.pem', issued.pem)
    expect(await room.verify('-purpose', 'sslclient')).toBe('leaf.pem: OK\n')
    await expect(room.verify('-purpose', 'sslserver')).rejects.toThrow()
  })

  test('and openssl prints a device certificate as the design says', async () => {
    const issued = await issueCertificate(ca.issuer, request)
    await using room = await openRoom()
    await room.write('leaf.pem', issued.pem)
    expect(await room.openssl('x509', '-in', 'leaf.pem', '-noout', '-subject', '-serial', '-dates')).toBe(
      [
        'subject=CN = pump-7, OU = pumps, O = north',
        `serial=${issued.serial.toUpperCase()}`,
        'notBefore=Nov 21 07:55:00 2026 GMT',
        'notAfter=Feb 19 08:00:00 2027 GMT\n',
      ].join('\n'),
    )
    const fingerprint = await room.openssl('x509', '-in', 'leaf.pem', '-noout', '-fingerprint', '-sha256')
    expect(fingerprint.replace(/.*=|[:\n]/g, '').toLowerCase()).toBe(issued.fingerprint)
    const extensions = await room.openssl('x509', '-in', 'leaf.pem', '-noout', '-text', '-certopt', 'ext_parse')
    expect(extensions).toContain('Version: 3 (0x2)')
    expect(extensions.replace(/\s+/g, ' ')).toMatch(
      /Basic Constraints: critical CA:FALSE .*Key Usage: critical Digital Signature X/,
    )
    expect(extensions).toMatch(/Extended Key Usage: \n\s+TLS Web Client Authentication\n/)
    expect(extensions).toMatch(/Alternative Name: \n\s+URI:spiffe:\/\/muster.local\/fleet\/north\/device\/pump-7\n/)
  })

  test('for a service: a SPIFFE ID of its own kind', async () => {
    const identity: Identity = { ...request.identity, device: 'ingest', profile: 'service' }
    const { der } = await issueCertificate(ca.issuer, { ...request, identity })
    const peer = new X509Certificate(der).toLegacyObject()
    expect(parsePeerIdentity(peer)).toEqual(identity)
    expect(peer.subjectaltname).toBe('URI:spiffe://muster.local/fleet/north/service/ingest')
  })

  test('for a server: names and addresses, usable on both sides of TLS', async () => {
    const identity: Identity = { fleet: 'muster', group: 'brokers', device: 'broker-1', profile: 'server' }
    const hosts = ['localhost', '127.0.0.1', '::1', 'fe80::1:2.3.4.5', '2001:db8::', 'Iot.example.com', 'my_host']
    const { der, pem } = await issueCertificate(ca.issuer, { ...request, identity, hosts })
    const certificate = new X509Certificate(der)
    for (const host of ['localhost', 'iot.example.com']) expect(certificate.checkHost(host)).toBeTruthy()
    for (const address of ['127.0.0.1', '::1', '2001:db8::']) expect(certificate.checkIP(address)).toBe(address)
    await using room = await openRoom()
    await room.write('leaf.pem', pem)
    expect(await room.verify('-purpose', 'sslserver', '-verify_hostname', 'localhost')).toBe('leaf.pem: OK\n')
    expect(await room.verify('-purpose', 'sslclient', '-verify_ip', '127.0.0.1')).toBe('leaf.pem: OK\n')
  })

  test('with the addresses of CRL, OCSP and issuer where the issuer has them', async () => {
    const crl = ['http://pki.example/crl/issuing-1.crl', 'http://pki2.example/crl/issuing-1.crl']
    const urls = { crl, ocsp: ['http://pki.example/ocsp'], caIssuers: ['http://pki.example/ca/issuing-1.crt'] }
    const { der, pem } = await issueCertificate({ ...ca.issuer, urls }, request)
    const reference = new ReferenceCertificate(der)
    const access = reference.getExtension(AuthorityInfoAccessExtension)
    expect(access?.ocsp.map((name) => name.value)).toEqual(urls.ocsp)
    expect(access?.caIssuers.map((name) => name.value)).toEqual(urls.caIssuers)
    const [point] = reference.getExtension(CRLDistributionPointsExtension)?.distributionPoints ?? []
    expect(point?.distributionPoint?.fullName?.map((name) => name.uniformResourceIdentifier)).toEqual(crl)
    await using room = await openRoom()
    await room.write('leaf.pem', pem)
    expect(await room.verify()).toBe('leaf.pem: OK\n')
  })

  test('and @peculiar/x509 reads the same', async () => {
    const issued = await issueCertificate(ca.issuer, request)
    const reference = new ReferenceCertificate(issued.der)
    const issuer = new ReferenceCertificate(ca.issuer.certificate.raw)
    expect(reference.subject).toBe('CN=pump-7, OU=pumps, O=north')
    expect(reference.issuer).toBe(issuer.subject)
    expect(reference.serialNumber).toBe(issued.serial)
    expect(reference.notBefore).toEqual(issued.notBefore)
    expect(reference.notAfter).toEqual(issued.notAfter)
    expect(reference.getExtension(BasicConstraintsExtension)).toMatchObject({ ca: false, critical: true })
    expect(reference.getExtension(AuthorityKeyIdentifierExtension)?.keyId).toBe(
      issuer.getExtension(SubjectKeyIdentifierExtension)?.keyId,
    )
    expect(reference.toString('pem').trim()).toBe(issued.pem.trim())
    expect(await reference.verify({ publicKey: await issuer.publicKey.export(), date: now })).toBe(true)
  })

  test('under issuers with other kinds of key', async () => {
    for (const algorithm of ['p384', 'ed25519', 'rsa2048'] as const) {
      const other = await createTestCa({ now, issuerKey: await poolKey(algorithm) })
      const { pem } = await issueCertificate(other.issuer, request)
      await using room = await openRoom()
      await room.write('root.pem', other.root.toString())
      await room.write('chain.pem', other.issuer.chain.join(''))
      await room.write('leaf.pem', pem)
      expect(await room.verify()).toBe('leaf.pem: OK\n')
    }
  })

  test('for any name, with a positive serial of 16 octets', async () => {
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,62}$/)
    const serials = new Set<string>()
    const identity = fc.record({
      fleet: name,
      group: name,
      device: name,
      profile: fc.constantFrom('device' as const, 'service' as const),
    })
    await fc.assert(
      fc.asyncProperty(identity, async (who) => {
        const issued = await issueCertificate(ca.issuer, { ...request, identity: who })
        expect(parsePeerIdentity(new X509Certificate(issued.der).toLegacyObject())).toEqual(who)
        expect(issued.serial).toMatch(/^[4-7][0-9a-f]{31}$/)
        expect(issued.fingerprint).toBe(certificateFingerprint(issued.der))
        serials.add(issued.serial)
      }),
      { numRuns: 200 },
    )
    expect(serials.size).toBe(200)
  })

  test('for dates on both sides of 2050', async () => {
    const late = await createTestCa({ now: new Date('2045-06-01T00:00:00Z') })
    const date = fc.date({
      min: new Date('2049-11-01T00:00:00Z'),
      max: new Date('2050-03-01T00:00:00Z'),
      noInvalidDate: true,
    })
    await fc.assert(
      fc.asyncProperty(date, fc.integer({ min: 1, max: 397 * 86_400 - 1 }), async (notBefore, seconds) => {
        const notAfter = new Date(notBefore.getTime() + seconds * 1000)
        const issued = await issueCertificate(late.issuer, { ...request, notBefore, notAfter })
        const certificate = new X509Certificate(issued.der)
        expect(certificate.validFromDate).toEqual(issued.notBefore)
        expect(certificate.validToDate).toEqual(issued.notAfter)
        expect(issued.notAfter.getTime()).toBe(Math.floor(notAfter.getTime() / 1000) * 1000)
      }),
      { numRuns: 100 },
    )
  })
})

describe('rejects', () => {
  test('keys that are not allowed', async () => {
    const pkcs1 = spkiOf(await poolKey('rsa2048')).subarray(24)
    for (const spki of [Buffer.alloc(0), Buffer.from('key'), pkcs1])
      await expect(issueCertificate(ca.issuer, { ...request, spki })).rejects.toMatchObject({ code: 'key-not-allowed' })
  })

  test.each<[string, Partial<CertificateRequest>]>([
    ['a name with a capital', { identity: { ...request.identity, device: 'Pump' } }],
    ['an empty group', { identity: { ...request.identity, group: '' } }],
    ['a fleet that brings another attribute', { identity: { ...request.identity, fleet: 'a/CN=b' } }],
    ['a name with a line break', { identity: { ...request.identity, device: 'a\nO=b' } }],
    ['a trust domain with a path', { trustDomain: 'a/b' }],
    ['hosts for a device', { hosts: ['localhost'] }],
    ['no time at all', { notAfter: request.notBefore }],
    ['a date that is none', { notAfter: new Date(Number.NaN) }],
    ['a second beyond the ceiling', { notAfter: new Date(request.notBefore.getTime() + maxValidityMs + 1000) }],
    [
      'more time than the issuer has',
      { notBefore: new Date('2036-11-01T00:00:00Z'), notAfter: new Date('2036-11-21T08:00:01Z') },
    ],
  ])('%s', async (_, change) => {
    await expect(issueCertificate(ca.issuer, { ...request, ...change })).rejects.toThrow(RangeError)
  })

  test.each(['*.example.com', 'a b', 'a,DNS:b', '', '.', 'fe80::1%eth0', `${'a'.repeat(64)}.com`, 'http://a'])(
    'a server with the host %j',
    async (host) => {
      const identity: Identity = { ...request.identity, profile: 'server' }
      await expect(issueCertificate(ca.issuer, { ...request, identity, hosts: [host] })).rejects.toThrow(RangeError)
    },
  )
})

test('rejects a server with more hosts than a certificate should carry', async () => {
  const identity: Identity = { ...request.identity, profile: 'server' }
  const hosts = Array.from({ length: 33 }, (_, i) => `host-${i}`)
  await expect(issueCertificate(ca.issuer, { ...request, identity, hosts })).rejects.toThrow(RangeError)
  await issueCertificate(ca.issuer, { ...request, identity, hosts: hosts.slice(1) })
})

describe('is safe', () => {
  const signer = (sign: Issuer['sign']): Issuer => ({ ...ca.issuer, sign })

  test('a signature that is not the issuer’s is not handed out', async () => {
    const other = await createTestCa({ now })
    await expect(issueCertificate(signer(other.issuer.sign), request)).rejects.toThrow(/signature/)
    await expect(
      issueCertificate(
        signer(async () => Buffer.alloc(70)),
        request,
      ),
    ).rejects.toThrow(/signature/)
  })

  test('nothing is handed out where the key store fails', async () => {
    const broken = signer(async () => Promise.reject(new Error('token removed')))
    await expect(issueCertificate(broken, request)).rejects.toThrow('token removed')
  })

  test('an EC point that is not on its curve is not certified', async () => {
    const spki = Buffer.from(request.spki)
    spki[spki.length - 1] = (spki.at(-1) ?? 0) ^ 1
    await expect(issueCertificate(ca.issuer, { ...request, spki })).rejects.toThrow()
  })

  test('a changed octet makes a certificate that openssl refuses', async () => {
    const { der } = await issueCertificate(ca.issuer, request)
    const issuerKey = ca.issuer.certificate.publicKey
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const mutant = Buffer.from(der)
        mutant[at] = (mutant[at] ?? 0) ^ change
        expect(isVerified(encodePem('CERTIFICATE', mutant), issuerKey)).toBe(false)
      }),
      { numRuns: 500 },
    )
  })
})

function isVerified(pem: string, issuerKey: KeyObject): boolean {
  try {
    return new X509Certificate(pem).verify(issuerKey)
  } catch {
    return false
  }
}
