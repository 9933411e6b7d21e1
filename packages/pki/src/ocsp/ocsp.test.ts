import { createPublicKey } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { keySigner } from '../ca/key-store.ts'
import { issueCertificate } from '../issue.ts'
import { openOpensslRoom } from '../testing/openssl.ts'
import { createTestCa, poolKey } from '../testing.ts'
import { encodeOcspCertId, encodeOcspRequest, isIssuedBy, ocspIssuerHashes } from './cert-id.ts'
import { readOcspRequest } from './request.ts'
import { createOcspResponder } from './responder.ts'
import { encodeOcspError, type OcspStatus, signOcspResponse } from './response.ts'

const dayMs = 86_400_000
// The commands know no other time than the present; fractions of a second are there to be lost.
const now = new Date(Math.floor(Date.now() / 1000) * 1000 - 3_600_000 + 789)
const later = (ms: number) => new Date(now.getTime() + ms)
const ca = await createTestCa({ now })
const responder = await createOcspResponder(ca.issuer, { notBefore: later(-60_000) })
const hashes = ocspIssuerHashes(ca.issuer.certificate)
const spki = createPublicKey(await poolKey()).export({ type: 'spki', format: 'der' })
const leaf = await issueCertificate(ca.issuer, {
  identity: { fleet: 'north', group: 'pumps', device: 'pump-1', profile: 'device' },
  ...{ spki, trustDomain: 'muster.local', notBefore: later(-dayMs), notAfter: later(30 * dayMs) },
})

async function openRoom() {
  const room = await openOpensslRoom()
  await room.write('root.pem', ca.root.toString())
  await room.write('issuing.pem', ca.issuer.certificate.toString())
  await room.write('leaf.pem', leaf.pem)
  const verify = (...args: string[]) =>
    room.openssl('ocsp', '-CAfile', 'root.pem', '-verify_other', 'issuing.pem', ...args, '-respin', 'response.der')
  return Object.assign(room, { verify })
}

const answer = (status: OcspStatus, certId = encodeOcspCertId(hashes, leaf.serial), nonce?: Uint8Array) =>
  signOcspResponse(responder, {
    answers: [{ ...status, certId, thisUpdate: now, nextUpdate: later(dayMs) }],
    producedAt: now,
    nonce,
  })

const revoked: OcspStatus = { status: 'revoked', at: later(-60_000), reason: 'keyCompromise' }

describe('works', () => {
  test.each([
    [{ status: 'good' }, 'good', 'good'],
    [revoked, 'revoked', 'revoked'],
    [{ status: 'revoked', at: later(-60_000) }, 'revoked', 'revoked'],
    [{ status: 'unknown' }, 'unknown', 'unknown'],
  ] satisfies [OcspStatus, string, string][])('openssl and GnuTLS accept %j', async (status, openssl, gnutls) => {
    await using room = await openRoom()
    await room.write('response.der', await answer(status))
    const said = await room.verify('-issuer', 'issuing.pem', '-cert', 'leaf.pem', '-no_nonce')
    expect(said).toContain('Response verify OK')
    expect(said).toContain(`leaf.pem: ${openssl}\n`)
    expect(said.includes('Reason: keyCompromise')).toBe(status === revoked)
    await room.write('trust.pem', ca.root.toString() + ca.issuer.certificate.toString())
    const args = ['--load-response', 'response.der', '--load-trust', 'trust.pem']
    const verified = await room.run('ocsptool', '--verify-response', ...args)
    expect(verified).toContain('Verifying OCSP Response: Success.')
    const info = await room.run('ocsptool', '--response-info', '--infile', 'response.der')
    expect(info).toContain(`Certificate Status: ${gnutls}`)
    expect(info).toContain('Responder Key ID: ')
  })

  test('times are whole seconds', async () => {
    await using room = await openRoom()
    await room.write('response.der', await answer(revoked))
    const text = await room.openssl('ocsp', '-respin', 'response.der', '-noverify', '-resp_text')
    const print = (date: Date) => {
      const [, day = '', month = '', year = '', time = ''] =
        /, (\d+) (\w+) (\d+) ([\d:]+)/.exec(date.toUTCString()) ?? []
      return `${month} ${String(Number(day)).padStart(2)} ${time} ${year} GMT`
    }
    expect(text).toContain(`Produced At: ${print(now)}`)
    expect(text).toContain(`This Update: ${print(now)}`)
    expect(text).toContain(`Next Update: ${print(later(dayMs))}`)
    expect(text).toContain(`Revocation Time: ${print(later(-60_000))}`)
  })

  test.each(['-sha1', '-sha256'])('what openssl asks with %s, with its nonce', async (hash) => {
    await using room = await openRoom()
    const subject = [hash, '-issuer', 'issuing.pem', '-cert', 'leaf.pem', '-serial', '0x8000ff']
    await room.openssl('ocsp', ...subject, '-reqout', 'request.der')
    const request = readOcspRequest(await room.read('request.der'))
    expect(request.certIds.map(({ serial }) => serial)).toEqual([leaf.serial, '8000ff'])
    expect(request.certIds.every((certId) => isIssuedBy(certId, hashes))).toBe(true)
    expect(request.nonce).toHaveLength(16)
    const answers = request.certIds.map(({ raw }, index) => ({
      ...((index === 0 ? { status: 'good' } : { status: 'unknown' }) satisfies OcspStatus),
      ...{ certId: raw, thisUpdate: now, nextUpdate: later(dayMs) },
    }))
    await room.write(
      'response.der',
      await signOcspResponse(responder, { answers, producedAt: now, nonce: request.nonce }),
    )
    const said = await room.verify('-reqin', 'request.der')
    expect(said).toContain('Response verify OK')
    expect(said).not.toContain('nonce')
    await room.write('other.der', encodeOcspRequest([encodeOcspCertId(hashes, leaf.serial)], Buffer.alloc(16)))
    await expect(room.verify('-reqin', 'other.der')).rejects.toThrow('Nonce Verify error')
    const named = await room.verify(...subject, '-no_nonce')
    expect(named).toContain('leaf.pem: good')
    expect(named).toContain('0x8000ff: unknown')
  })

  test('what GnuTLS asks', async () => {
    await using room = await openRoom()
    const subject = ['--load-issuer', 'issuing.pem', '--load-cert', 'leaf.pem', '--outfile', 'request.der']
    await room.run('ocsptool', '--generate-request', ...subject)
    const request = readOcspRequest(await room.read('request.der'))
    expect(request.certIds).toMatchObject([{ serial: leaf.serial }])
    expect(request.certIds.every((certId) => isIssuedBy(certId, hashes))).toBe(true)
  })

  test('a signed request: the signature is not looked at', async () => {
    await using room = await openRoom()
    const key = (await poolKey()).export({ type: 'pkcs8', format: 'pem' })
    await room.write('key.pem', key)
    const subject = ['-issuer', 'issuing.pem', '-cert', 'leaf.pem', '-reqout', 'request.der']
    await room.openssl('ocsp', ...subject, '-signer', 'leaf.pem', '-signkey', 'key.pem')
    expect(readOcspRequest(await room.read('request.der')).certIds).toMatchObject([{ serial: leaf.serial }])
  })

  test('what is written here is read by openssl', async () => {
    await using room = await openRoom()
    const certIds = (['sha1', 'sha256'] as const).map((hash) => encodeOcspCertId(hashes, leaf.serial, hash))
    await room.write('request.der', encodeOcspRequest(certIds, Buffer.alloc(32, 7)))
    const text = await room.openssl('ocsp', '-reqin', 'request.der', '-req_text', '-noverify')
    expect(text.match(new RegExp(leaf.serial, 'gi'))).toHaveLength(2)
    expect(text).toContain('Hash Algorithm: sha256')
    expect(text).toContain('OCSP Nonce')
  })

  test('GET: base64, percent-encoded or not', () => {
    const der = encodeOcspRequest([encodeOcspCertId(hashes, leaf.serial)])
    const base64 = der.toString('base64')
    const meant = readOcspRequest(der)
    expect(readOcspRequest(base64)).toEqual(meant)
    expect(readOcspRequest(encodeURIComponent(base64))).toEqual(meant)
  })

  test.each(['p256', 'p384', 'ed25519', 'rsa2048'] as const)('a responder and an issuer with %s', async (algorithm) => {
    const key = await poolKey(algorithm, 1)
    const other = await createTestCa({ now, issuerKey: key })
    const signer = keySigner(await poolKey(algorithm, 2))
    const delegated = await createOcspResponder(other.issuer, { notBefore: now, signer })
    const certId = encodeOcspCertId(ocspIssuerHashes(other.issuer.certificate), '41')
    const answers = [{ status: 'good' as const, certId, thisUpdate: now }]
    await using room = await openOpensslRoom()
    await room.write('response.der', await signOcspResponse(delegated, { answers, producedAt: now }))
    await room.write('root.pem', other.root.toString())
    await room.write('issuing.pem', other.issuer.certificate.toString())
    const args = ['-issuer', 'issuing.pem', '-serial', '0x41', '-no_nonce', '-CAfile', 'root.pem']
    const said = await room.openssl('ocsp', ...args, '-verify_other', 'issuing.pem', '-respin', 'response.der')
    expect(said).toContain('Response verify OK')
    expect(said).toContain('0x41: good')
  })

  test.each([
    ['malformedRequest', '30030a0101'],
    ['internalError', '30030a0102'],
    ['tryLater', '30030a0103'],
    ['unauthorized', '30030a0106'],
  ] as const)('%s', async (error, hex) => {
    expect(encodeOcspError(error).toString('hex')).toBe(hex)
    await using room = await openRoom()
    await room.write('response.der', encodeOcspError(error))
    await expect(room.verify('-issuer', 'issuing.pem', '-cert', 'leaf.pem')).rejects.toMatchObject({
      stdout: expect.stringContaining(`Responder Error: ${error.toLowerCase()}`),
    })
  })
})

describe('the responder’s certificate', () => {
  test('may sign OCSP responses for seven days, and nothing else', async () => {
    await using room = await openRoom()
    await room.write('responder.pem', responder.certificate.toString())
    const text = (await room.openssl('x509', '-in', 'responder.pem', '-noout', '-text')).replace(/\s+/g, ' ')
    expect(text).toContain('Key Usage: critical Digital Signature X509v3')
    expect(text).toContain('Extended Key Usage: OCSP Signing OCSP No Check: ')
    expect(text).toContain('Basic Constraints: critical CA:FALSE')
    const verify = (purpose: string) =>
      room.openssl(
        ...['verify', '-x509_strict', '-purpose', purpose, '-CAfile', 'root.pem', '-untrusted', 'issuing.pem'],
        'responder.pem',
      )
    expect(await verify('ocsphelper')).toBe('responder.pem: OK\n')
    await expect(verify('sslclient')).rejects.toThrow('unsuitable certificate purpose')
    await expect(verify('sslserver')).rejects.toThrow('unsuitable certificate purpose')
    const { validFromDate, validToDate } = responder.certificate
    expect(validToDate.getTime() - validFromDate.getTime()).toBe(7 * dayMs)
  })

  test('ends with its issuer', async () => {
    const notBefore = new Date(ca.issuer.certificate.validToDate.getTime() - dayMs)
    const { certificate } = await createOcspResponder(ca.issuer, { notBefore })
    expect(certificate.validToDate).toEqual(ca.issuer.certificate.validToDate)
  })

  test('cannot live longer, whoever asks', async () => {
    const beyond = { notBefore: now, notAfter: later(9 * dayMs) }
    await expect(createOcspResponder(ca.issuer, beyond)).rejects.toThrow(RangeError)
    await expect(createOcspResponder(ca.issuer, { notBefore: now, notAfter: now })).rejects.toThrow(RangeError)
    const end = ca.issuer.certificate.validToDate
    const outlives = { notBefore: end, notAfter: new Date(end.getTime() + dayMs) }
    await expect(createOcspResponder(ca.issuer, outlives)).rejects.toThrow(RangeError)
  })

  test('is not believed for another issuer', async () => {
    const other = await createTestCa({ now })
    await using room = await openRoom()
    const foreign = await createOcspResponder(other.issuer, { notBefore: now })
    const answers = [{ status: 'good' as const, certId: encodeOcspCertId(hashes, leaf.serial), thisUpdate: now }]
    await room.write('response.der', await signOcspResponse(foreign, { answers, producedAt: now }))
    const args = ['-issuer', 'issuing.pem', '-cert', 'leaf.pem', '-no_nonce']
    expect(await room.verify(...args).catch(({ stderr }) => stderr)).toContain('Response Verify Failure')
  })
})
