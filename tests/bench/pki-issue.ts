// node tests/bench/pki-issue.ts [seconds a row]: CSR -> certificate on one core, beside the floor and the library alone.
import { createPublicKey, sign, verify } from 'node:crypto'
import { parseArgs } from 'node:util'
import { createCsr, issueCertificate, readCsr } from '@muster/pki'
import { createTestCa, poolKey } from '@muster/pki/testing'
import * as x509 from '@muster/pki/x509'

const { positionals } = parseArgs({ allowPositionals: true })
const seconds = Number(positionals[0] ?? 3)
const budget = { perSecond: 3000, timesLibrary: 8 }

const now = new Date()
const notBefore = new Date(now.getTime() - 300_000)
const notAfter = new Date(now.getTime() + 90 * 86_400_000)
const trustDomain = 'muster.local'
const ca = await createTestCa({ now, trustDomain })
const key = await poolKey()
const csr = createCsr(key, 'pump-7')
let count = 0

async function enrol(): Promise<void> {
  const { spki } = readCsr(csr)
  const identity = { fleet: 'default', group: 'default', device: `pump-${count++}`, profile: 'device' as const }
  await issueCertificate(ca.issuer, { identity, spki, trustDomain, notBefore, notAfter })
}

const publicKey = createPublicKey(key)
const signature = sign('sha256', csr, key)

async function floor(): Promise<void> {
  if (!verify('sha256', csr, publicKey, signature)) throw new Error('not verified')
  sign('sha256', csr, ca.issuerKey)
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const pkcs8 = ca.issuerKey.export({ type: 'pkcs8', format: 'der' })
const signingKey = await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign'])
const issuer = new x509.X509Certificate(ca.issuer.certificate.raw)

async function library(): Promise<void> {
  const request = new x509.Pkcs10CertificateRequest(csr)
  if (!(await request.verify())) throw new Error('not verified')
  const device = `pump-${count++}`
  const uri = `spiffe://${trustDomain}/fleet/default/device/${device}`
  await x509.X509CertificateGenerator.create({
    subject: [{ CN: [device] }, { OU: ['default'] }, { O: ['default'] }],
    issuer: issuer.subjectName,
    notBefore,
    notAfter,
    publicKey: request.publicKey,
    signingKey,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: uri }]),
      await x509.SubjectKeyIdentifierExtension.create(request.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
    ],
  })
}

interface Rate {
  /** By the clock, and by the CPU time of the whole process: the second is what one core could do. */
  perSecond: number
  perCpuSecond: number
}

async function measure(work: () => Promise<void>): Promise<Rate> {
  for (let i = 0; i < 200; i++) await work()
  const cpu = process.cpuUsage()
  const start = performance.now()
  let done = 0
  for (; performance.now() - start < seconds * 1000; done++) await work()
  const { user, system } = process.cpuUsage(cpu)
  return { perSecond: (done * 1000) / (performance.now() - start), perCpuSecond: (done * 1e6) / (user + system) }
}

const rows = {
  'one ECDSA verify + one sign': await measure(floor),
  '@muster/pki: verify CSR, issue, check': await measure(enrol),
  '@peculiar/x509: verify CSR, issue': await measure(library),
}
const ours = rows['@muster/pki: verify CSR, issue, check']
const theirs = rows['@peculiar/x509: verify CSR, issue']

for (const [name, rate] of Object.entries(rows)) {
  const [clock, cpu] = [rate.perSecond, rate.perCpuSecond].map((n) => n.toFixed(0).padStart(7))
  console.log(`${name.padEnd(40)}${clock}/s ${cpu}/CPU s`)
}
const times = ours.perCpuSecond / theirs.perCpuSecond
const met = ours.perSecond >= budget.perSecond && times >= budget.timesLibrary
console.log(
  `${times.toFixed(1)} x the library; budget ${budget.perSecond}/s and ${budget.timesLibrary} x: ${met ? 'met' : 'missed'}`,
)
