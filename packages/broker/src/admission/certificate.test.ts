import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { expect, test } from 'vitest'
import { describeCertificate } from './certificate.ts'

const certify = (subject: string, ...more: string[]) => {
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    '/dev/null',
  ]
  const pem = execFileSync('openssl', [...args, '-utf8', '-days', '2', '-subj', subject, ...more], { stdio: 'pipe' })
  return new X509Certificate(pem)
}
const san = ['-addext', 'subjectAltName=URI:spiffe://muster.local/fleet/f/device/d-1,DNS:a']

test.each<[string, string, ...string[]]>([
  ['a name of ours', '/O=f/OU=g/CN=d-1', ...san],
  ['without alternative names', '/O=f/OU=g/CN=d-1'],
  ['attributes that repeat', '/O=f/OU=g/CN=d-1/CN=d-2/CN=d-3', ...san],
  ['others', '/C=DE/L=Ulm/O=f/OU=g/CN=d-1/emailAddress=a@b.example', ...san],
  ['letters beyond ASCII', '/O=f/OU=gruppe-ä/CN=日本', ...san],
])('says what Node says: %s', (_, subject, ...more) => {
  const certificate = certify(subject, ...more)
  const { raw, subject: names, issuer, subjectaltname, ...rest } = describeCertificate(certificate)
  const { serialNumber, fingerprint256, valid_from, valid_to, ...node } = certificate.toLegacyObject()
  expect(raw).toEqual(certificate.raw)
  expect(rest).toEqual({ serialNumber, fingerprint256, valid_from, valid_to })
  expect(names).toEqual({ ...node.subject })
  expect(issuer).toEqual({ ...node.issuer })
  expect(subjectaltname).toEqual(node.subjectaltname)
})

test('a line end in an attribute makes none of it an attribute', () => {
  const { subject } = describeCertificate({ subject: 'O=f\nOU=g\nCN=d-1\\0ACN=d-2' } as X509Certificate)
  expect(subject).toEqual({ O: 'f', OU: 'g', CN: 'd-1\\0ACN=d-2' })
})

test('what Muster never issues is no name either: two attributes in one, signs that are escaped', () => {
  expect(describeCertificate(certify('/O=f/OU=g+CN=d-1')).subject).toEqual({ O: 'f', OU: 'g + CN=d-1' })
  const { subject } = describeCertificate(certify('/O=f/OU=g, h/CN=d"1'))
  expect(subject).toEqual({ O: 'f', OU: 'g\\, h', CN: 'd\\"1' })
})
