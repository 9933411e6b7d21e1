import { createPublicKey, sign, X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSerial } from '../certificate/serial.ts'
import { type IssuedCertificate, issueCertificate } from '../issue.ts'
import type { Issuer } from '../issuer.ts'
import { encodePem } from '../pem.ts'
import { openOpensslRoom } from '../testing/openssl.ts'
import { createTestCa, poolKey } from '../testing.ts'
import { X509Certificate as ReferenceCertificate, X509Crl } from '../x509.ts'
import { createCrlEntries, type RevokedCertificate } from './entries.ts'
import type { CrlReason } from './reason.ts'
import { shardOf } from './serial.ts'
import { type CrlContent, signCrl } from './sign.ts'

const dayMs = 86_400_000
// GnuTLS and some openssl commands know no other time than the present.
const now = new Date(Math.floor(Date.now() / 1000) * 1000)
const later = (ms: number) => new Date(now.getTime() + ms)
const url = 'http://pki.example:8080/crl/issuing-1.crl'
const ca = await createTestCa({ now })
const issuer: Issuer = { ...ca.issuer, urls: { crl: [url] } }
const spki = createPublicKey(await poolKey()).export({ type: 'spki', format: 'der' })

const issue = (device: string, from = issuer) =>
  issueCertificate(from, {
    identity: { fleet: 'north', group: 'pumps', device, profile: 'device' },
    ...{ spki, trustDomain: 'muster.local', notBefore: later(-dayMs), notAfter: later(30 * dayMs) },
  })

const revoked = (serial: string, reason: CrlReason = 'keyCompromise'): RevokedCertificate => ({
  ...{ serial, reason, revokedAt: later(-60_000), notAfter: later(30 * dayMs) },
})

const content = (entries: Iterable<RevokedCertificate>, more: Partial<CrlContent> = {}): CrlContent => ({
  ...{ number: 7, thisUpdate: later(-1000), nextUpdate: later(dayMs), urls: [url] },
  entries: createCrlEntries(entries),
  ...more,
})

const pemOf = async (crl: CrlContent, from = issuer) => encodePem('X509 CRL', (await signCrl(from, crl)).der())

async function openRoom(leaf: IssuedCertificate, crls: string) {
  const room = await openOpensslRoom()
  await room.write('root.pem', ca.root.toString())
  await room.write('chain.pem', issuer.chain.join(''))
  await room.write('leaf.pem', leaf.pem)
  await room.write('crls.pem', crls)
  const verify = (...options: string[]) =>
    room.openssl(
      ...['verify', '-x509_strict', ...options, '-CAfile', 'root.pem', '-untrusted', 'chain.pem'],
      ...['-CRLfile', 'crls.pem', 'leaf.pem'],
    )
  return Object.assign(room, { verify })
}

const good = await issue('pump-1')
const bad = await issue('pump-2')

describe('works', () => {
  test('openssl refuses what is on the list, and nothing else', async () => {
    const crl = await pemOf(content([revoked(bad.serial)]))
    await using forGood = await openRoom(good, crl)
    expect(await forGood.verify('-crl_check')).toBe('leaf.pem: OK\n')
    await using forBad = await openRoom(bad, crl)
    await expect(forBad.verify('-crl_check')).rejects.toThrow('error 23 at 0 depth lookup: certificate revoked')
    expect(await forBad.verify()).toBe('leaf.pem: OK\n')
  })

  test('openssl prints it as the design says', async () => {
    await using room = await openRoom(good, await pemOf(content([revoked(bad.serial)])))
    const text = await room.openssl('crl', '-in', 'crls.pem', '-noout', '-text', '-verify', '-CAfile', 'chain.pem')
    const flat = text.replace(/\s+/g, ' ')
    expect(text).toContain('verify OK')
    expect(text).toContain('Version 2 (0x1)')
    expect(text).toContain('Issuer: CN = Muster issuing-1, O = muster.local')
    expect(flat).toContain('X509v3 CRL Number: 7')
    expect(flat).toContain(`Issuing Distribution Point: critical Full Name: URI:${url} Only User Certificates`)
    expect(flat).toContain(`Serial Number: ${bad.serial.toUpperCase()}`)
    expect(flat).toContain('CRL Reason Code: Key Compromise')
    expect(flat).toMatch(/Authority Key Identifier: ([0-9A-F]{2}:){19}[0-9A-F]{2} /)
  })

  test('with nothing revoked', async () => {
    await using room = await openRoom(good, await pemOf(content([])))
    expect(await room.verify('-crl_check')).toBe('leaf.pem: OK\n')
    expect(await room.openssl('crl', '-in', 'crls.pem', '-noout', '-text')).toContain('No Revoked Certificates.')
  })

  test('GnuTLS agrees', async () => {
    await using room = await openRoom(good, await pemOf(content([revoked(bad.serial, 'superseded')])))
    const args = ['--load-ca-certificate', 'chain.pem', '--infile', 'crls.pem']
    expect(await room.run('certtool', '--verify-crl', ...args)).toContain('output: Verified.')
    const text = await room.run('certtool', '--crl-info', '--infile', 'crls.pem')
    expect(text).toContain('Version: 2')
    expect(text).toContain('CRL Number (not critical): 07')
    expect(text.replace(/[\s:]/g, '').toLowerCase()).toContain(bad.serial)
  })

  test('the root’s list of its own CAs makes the check of a whole chain possible', async () => {
    const root = { certificate: ca.root, sign: async (bytes: Uint8Array) => sign('sha256', bytes, ca.rootKey) }
    const forRoot = async (...entries: RevokedCertificate[]) =>
      encodePem('X509 CRL', (await signCrl(root, content(entries, { urls: [], scope: 'ca' }))).der())
    const leaves = await pemOf(content([]))
    await using fine = await openRoom(good, leaves + (await forRoot()))
    expect(await fine.verify('-crl_check_all')).toBe('leaf.pem: OK\n')
    const serial = issuer.certificate.serialNumber.toLowerCase()
    await using gone = await openRoom(good, leaves + (await forRoot(revoked(serial, 'cACompromise'))))
    await expect(gone.verify('-crl_check_all')).rejects.toThrow('error 23 at 1 depth lookup: certificate revoked')
  })

  test('a delta adds to the complete list, and takes from it', async () => {
    const complete = content([revoked(good.serial, 'certificateHold')], { freshestUrls: [`${url}?delta`] })
    const delta = content([revoked(bad.serial), revoked(good.serial, 'removeFromCRL')], { number: 9, baseNumber: 7 })
    const both = (await pemOf(complete)) + (await pemOf(delta))
    const options = ['-crl_check', '-extended_crl', '-use_deltas']
    await using forBad = await openRoom(bad, both)
    expect(await forBad.verify('-crl_check')).toBe('leaf.pem: OK\n')
    await expect(forBad.verify(...options)).rejects.toThrow('certificate revoked')
    await using forGood = await openRoom(good, both)
    await expect(forGood.verify('-crl_check')).rejects.toThrow('certificate revoked')
    expect(await forGood.verify(...options)).toBe('leaf.pem: OK\n')
    const text = await forGood.run('openssl', 'crl', '-noout', '-text', '-in', 'crls.pem')
    expect(text).toContain(`${url}?delta`)
  })

  test('shards: each certificate names its own, and no other list will do', async () => {
    const count = 4
    const shardUrl = (index: number) => `http://pki.example:8080/crl/issuing-1-${index}.crl`
    const sharded = { ...issuer, urls: { crlOf: (serial: string) => [shardUrl(shardOf(serial, count))] } }
    const leaf = await issue('pump-3', sharded)
    const own = shardOf(leaf.serial, count)
    const lists = Array.from({ length: count }, (_, index) =>
      pemOf(content(index === own ? [revoked(leaf.serial)] : [], { urls: [shardUrl(index)] })),
    )
    const others = (await Promise.all(lists)).filter((_, index) => index !== own)
    await using all = await openRoom(leaf, (await Promise.all(lists)).join(''))
    await expect(all.verify('-crl_check', '-extended_crl')).rejects.toThrow('certificate revoked')
    await using without = await openRoom(leaf, others.join(''))
    await expect(without.verify('-crl_check', '-extended_crl')).rejects.toThrow('different CRL scope')
  })

  test.each(['p256', 'p384', 'ed25519', 'rsa2048'] as const)('signed with %s', async (algorithm) => {
    const other = await createTestCa({ now, issuerKey: await poolKey(algorithm, 1) })
    await using room = await openOpensslRoom()
    await room.write('ca.pem', other.issuer.certificate.toString())
    await room.write('crl.pem', await pemOf(content([revoked(bad.serial)]), other.issuer))
    const answer = await room.openssl('crl', '-in', 'crl.pem', '-noout', '-verify', '-CAfile', 'ca.pem')
    expect(answer).toContain('verify OK')
  })
})

const reference = new ReferenceCertificate(issuer.certificate.raw)
const serials = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('hex'))
const dates = fc
  .oneof(
    fc.date({ min: new Date('1950-01-01Z'), max: new Date('2120-01-01Z'), noInvalidDate: true }),
    fc.date({ min: new Date('2049-12-31T23:59:58Z'), max: new Date('2050-01-01T00:00:02Z'), noInvalidDate: true }),
  )
  .map((date) => new Date(Math.floor(date.getTime() / 1000) * 1000))
const reasons = fc.constantFrom<CrlReason>('unspecified', 'keyCompromise', 'certificateHold', 'privilegeWithdrawn')
const entry = fc.record({ serial: serials, revokedAt: dates, reason: reasons, notAfter: fc.constant(later(dayMs)) })
const numberOf = (serial: string) => BigInt(`0x${serial}`)
const reasonNumbers = { unspecified: undefined, keyCompromise: 1, certificateHold: 6, privilegeWithdrawn: 9 }

describe('whatever is revoked', () => {
  test('@peculiar/x509 reads what was meant', async () => {
    const lists = fc.uniqueArray(entry, { selector: ({ serial }) => numberOf(serial), maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(lists, dates, async (list, thisUpdate) => {
        const nextUpdate = new Date(thisUpdate.getTime() + dayMs)
        const crl = new X509Crl((await signCrl(issuer, content(list, { thisUpdate, nextUpdate }))).der())
        expect(crl.thisUpdate).toEqual(thisUpdate)
        expect(crl.nextUpdate).toEqual(nextUpdate)
        expect(await crl.verify({ publicKey: reference })).toBe(true)
        const read = crl.entries.map(({ serialNumber, revocationDate, reason }) => [
          numberOf(serialNumber),
          revocationDate.getTime(),
          reason,
        ])
        const meant = list.map(({ serial, revokedAt, reason }) => [
          numberOf(serial),
          revokedAt.getTime(),
          reasonNumbers[reason as keyof typeof reasonNumbers],
        ])
        expect(new Set(read.map(String))).toEqual(new Set(meant.map(String)))
        expect(read).toHaveLength(meant.length)
      }),
      { numRuns: 60 },
    )
  })
})

describe('rejects', () => {
  test.each([
    ['a signer that is no CA', {}, { certificate: new X509Certificate(good.der), sign: issuer.sign }],
    ['an end before the beginning', { nextUpdate: later(-2000) }, issuer],
    ['a delta to a later list', { baseNumber: 7 }, issuer],
    ['a delta that points to another', { baseNumber: 1, freshestUrls: [url] }, issuer],
    ['a number that is too long', { number: 1n << 159n }, issuer],
    ['a negative number', { number: -1 }, issuer],
  ])('%s', async (_, more, from) => {
    await expect(signCrl(from, content([], more))).rejects.toThrow(RangeError)
  })

  test('the largest number is written', async () => {
    await using room = await openRoom(good, await pemOf(content([], { number: (1n << 159n) - 1n })))
    expect(await room.openssl('crl', '-in', 'crls.pem', '-noout', '-crlnumber')).toContain(`=0x7F${'F'.repeat(38)}\n`)
  })
})

test('shards are even, stable and not told apart by leading zeros', () => {
  const counts = [0, 0, 0, 0, 0]
  for (let i = 0; i < 5000; i++) {
    const shard = shardOf(createSerial().toString('hex'), counts.length)
    counts[shard] = (counts[shard] ?? 0) + 1
  }
  expect(Math.min(...counts)).toBeGreaterThan(850)
  expect(shardOf('00ff', 7)).toBe(shardOf('ff', 7))
  expect(shardOf('41c64e6d00000000000000000000002a', 1000)).toBe(397)
  expect(() => shardOf('41', 0)).toThrow(RangeError)
  expect(() => shardOf('4', 2)).toThrow(RangeError)
})
