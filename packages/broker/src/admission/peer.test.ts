import { expect, test } from 'vitest'
import type { CertificateFields } from './certificate.ts'
import { readPeer } from './peer.ts'

const certificate = {
  raw: Buffer.from('der'),
  subject: { CN: 'd-1', OU: 'g', O: 'f' },
  subjectaltname: 'URI:spiffe://muster.local/fleet/f/device/d-1',
  issuer: { O: 'Muster', CN: 'issuing-1' },
  serialNumber: '4A0B',
  fingerprint256: 'AB:CD',
  valid_from: 'Jan  1 00:00:00 2027 GMT',
  valid_to: 'Feb  1 00:00:00 2027 GMT',
}
const read = (changed: object = {}, authorizationError?: string, isOnlyExpired = false) =>
  readPeer(
    { authorized: authorizationError === undefined, authorizationError: authorizationError as unknown as Error },
    { ...certificate, ...changed } as unknown as CertificateFields,
    'muster.local',
    () => isOnlyExpired,
  )

test('reads who is at the other end', () => {
  expect(read()).toEqual({
    peer: {
      identity: { fleet: 'f', group: 'g', device: 'd-1', profile: 'device' },
      serial: '4a0b',
      fingerprint: 'abcd',
      issuer: 'CN=issuing-1, O=Muster',
      notBefore: new Date('2027-01-01T00:00:00Z'),
      notAfter: new Date('2027-02-01T00:00:00Z'),
    },
  })
})

test('no certificate is no admission, even where OpenSSL calls the connection authorised', () => {
  const bare = { authorized: true, authorizationError: undefined as unknown as Error }
  expect(readPeer(bare, undefined, 'muster.local', () => false)).toMatchObject({
    refusal: { code: 'certificate-missing' },
  })
})

test.each([
  ['SELF_SIGNED_CERT_IN_CHAIN', 'certificate-untrusted'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'certificate-untrusted'],
  ['CERT_HAS_EXPIRED', 'certificate-expired'],
  ['CERT_NOT_YET_VALID', 'certificate-not-yet-valid'],
  ['constructor', 'certificate-untrusted'],
])('a chain refused with %s', (reason, code) => {
  expect(read({}, reason)).toMatchObject({
    refusal: { code },
    who: { fleet: 'f', device: 'd-1', serial: '4a0b', issuer: 'CN=issuing-1, O=Muster', fingerprint: 'abcd' },
  })
})

test.each([
  ['repeated CN', { subject: { CN: ['d-1', 'd-2'], OU: 'g', O: 'f' } }],
  ['no OU', { subject: { CN: 'd-1', O: 'f' } }],
  ['a name of another grammar', { subject: { CN: 'D/1', OU: 'g', O: 'f' } }],
  ['another device in the SPIFFE ID', { subjectaltname: 'URI:spiffe://muster.local/fleet/f/device/d-2' }],
  ['two SPIFFE IDs', { subjectaltname: `${certificate.subjectaltname}, ${certificate.subjectaltname}` }],
  ['another trust domain', { subjectaltname: 'URI:spiffe://evil.local/fleet/f/device/d-1' }],
])('a subject with %s is nobody’s, and shown as it is', (_, changed) => {
  const reading = read(changed)
  expect(reading).toMatchObject({ refusal: { code: 'certificate-subject' }, who: { serial: '4a0b' } })
  expect('peer' in reading).toBe(false)
})

test('an expired certificate that lacks nothing but time is for the registry to judge', () => {
  const expired = read({}, 'CERT_HAS_EXPIRED', true)
  expect(expired).toMatchObject({ peer: { serial: '4a0b' } })
  const foreign = read({}, 'SELF_SIGNED_CERT_IN_CHAIN', true)
  expect(foreign).toMatchObject({ refusal: { code: 'certificate-untrusted' } })
})
