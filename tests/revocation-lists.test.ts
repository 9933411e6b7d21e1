import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createOcspRequest } from '@muster/pki'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EnrolledDevice, type Stack, startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

const run = promisify(execFile)

let stack: Stack
let room: string
let good: EnrolledDevice
let bad: EnrolledDevice
/** Before `bad` was revoked. */
let firstCrl: Buffer

beforeAll(async () => {
  stack = await startStack()
  room = await mkdtemp(join(tmpdir(), 'muster-crl-'))
  good = await stack.enrolDevice('good-1')
  bad = await stack.enrolDevice('bad-1')
  await writeFile(join(room, 'root.pem'), stack.ca)
  await writeFile(join(room, 'issuing.pem'), new X509Certificate(await fetchBytes('/ca/issuing-1.crt')).toString())
  for (const { id, credentials } of [good, bad])
    await writeFile(join(room, `${id}.pem`), new X509Certificate(credentials.cert).toString())
  firstCrl = await fetchBytes('/crl/issuing-1.crl')
  await writeFile(join(room, 'first.crl'), firstCrl)
  expect((await stack.api('/v1/devices/bad-1/revoke', { body: { reason: 'keyCompromise' } })).status).toBe(202)
})
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]()
  if (room) await rm(room, { recursive: true, force: true })
})

const at = (path: string) => `http://127.0.0.1:${stack.ports.pki}${path}`

async function fetchBytes(path: string): Promise<Buffer> {
  const answer = await fetch(at(path))
  expect(answer.status).toBe(200)
  return Buffer.from(await answer.arrayBuffer())
}

/** Standard output and error together, and the exit status instead of a rejection. */
async function command(name: string, ...args: string[]): Promise<{ code: number; text: string }> {
  const child = run(name, args, { cwd: room, timeout: 60_000 })
  child.child.stdin?.end()
  return child.then(
    ({ stdout, stderr }) => ({ code: 0, text: stdout + stderr }),
    (error: { code: number; stdout: string; stderr: string }) => ({
      code: error.code,
      text: error.stdout + error.stderr,
    }),
  )
}
const openssl = (...args: string[]) => command('openssl', ...args)

const askOcsp = (...args: string[]) =>
  openssl('ocsp', '-CAfile', 'root.pem', '-issuer', 'issuing.pem', ...args, '-url', at('/ocsp'))

/** The CRL as soon as it lists the device that is revoked. */
async function currentCrl(path = '/crl/issuing-1.crl'): Promise<string> {
  const name = `${path.replaceAll('/', '_')}.pem`
  const serial = new X509Certificate(bad.credentials.cert).serialNumber
  await waitFor('the revocation in the CRL', async () => {
    await writeFile(join(room, 'current.crl'), await fetchBytes(path))
    const { text } = await openssl('crl', '-inform', 'DER', '-in', 'current.crl', '-noout', '-text')
    return text.includes(serial)
  })
  await openssl('crl', '-inform', 'DER', '-in', 'current.crl', '-out', name)
  return name
}

describe('a revocation shows without waiting for the next list', () => {
  test('in the CRL and in OCSP', async () => {
    await stack.enrolDevice('timed-1')
    const { json } = await stack.api('/v1/devices/timed-1/certificates')
    const serial: string = json.items[0].serial
    const ask = () => askOcsp('-serial', `0x${serial}`)
    expect((await ask()).text).toContain(`0x${serial}: good`)
    const answer = await stack.api('/v1/devices/timed-1/revoke', { body: { reason: 'keyCompromise' } })
    expect(answer.status).toBe(202)
    await waitFor('both', async () => {
      const listed = (await fetchBytes('/crl/issuing-1.crl')).includes(Buffer.from(serial, 'hex'))
      return listed && (await ask()).text.includes(`0x${serial}: revoked`)
    })
  })
})

test('a certificate says where its status and its issuer are, and they are there', async () => {
  const leaf = new X509Certificate(good.credentials.cert)
  const base = `http://localhost:${stack.ports.pki}`
  expect(leaf.infoAccess?.trim().split('\n')).toEqual([
    `OCSP - URI:${base}/ocsp`,
    `CA Issuers - URI:${base}/ca/issuing-1.crt`,
  ])
  const { text } = await openssl('x509', '-in', 'good-1.pem', '-noout', '-ext', 'crlDistributionPoints')
  expect(text).toContain(`URI:${base}/crl/issuing-1.crl`)
  expect(leaf.verify(new X509Certificate(await fetchBytes('/ca/issuing-1.crt')).publicKey)).toBe(true)
})

describe('the CRL', () => {
  test('is accepted by openssl: the one device is good, the other revoked', async () => {
    const crl = await currentCrl()
    const { text } = await openssl('crl', '-in', crl, '-noout', '-text', '-CAfile', 'issuing.pem')
    expect(text).toContain('verify OK')
    for (const part of ['X509v3 CRL Number', 'X509v3 Authority Key Identifier', 'Issuing Distribution Point'])
      expect(text).toContain(part)
    expect(text).toContain('Key Compromise')
    const verify = (leaf: string) =>
      openssl('verify', '-crl_check', '-CAfile', 'root.pem', '-untrusted', 'issuing.pem', '-CRLfile', crl, leaf)
    expect(await verify('good-1.pem')).toMatchObject({ code: 0 })
    expect((await verify('bad-1.pem')).text).toContain('certificate revoked')
  })

  test('is accepted by GnuTLS', async () => {
    const crl = await currentCrl()
    const verified = await command('certtool', '--verify-crl', '--load-ca-certificate', 'issuing.pem', '--infile', crl)
    expect(verified.text).toContain('Verified.')
    expect(verified.code).toBe(0)
  })

  test('is not sent to who has it already', async () => {
    await currentCrl()
    const first = await fetch(at('/crl/issuing-1.crl'))
    await first.arrayBuffer()
    expect(first.headers.get('content-type')).toBe('application/pkix-crl')
    expect(Date.parse(first.headers.get('last-modified') ?? '')).toBeLessThanOrEqual(Date.now())
    const [, seconds] = /max-age=(\d+)/.exec(first.headers.get('cache-control') ?? '') ?? []
    expect(Number(seconds)).toBeGreaterThan(86_000)
    const etag = first.headers.get('etag') ?? ''
    const again = await fetch(at('/crl/issuing-1.crl'), { headers: { 'if-none-match': `"other", W/${etag}` } })
    expect(again.status).toBe(304)
    expect(await again.text()).toBe('')
    const other = await fetch(at('/crl/issuing-1.crl'), { headers: { 'if-none-match': '"other"' } })
    expect(other.status).toBe(200)
    await other.arrayBuffer()
  })

  test('has a delta, which completes one that was fetched before', async () => {
    const delta = await currentCrl('/crl/issuing-1/delta.crl')
    const { text } = await openssl('crl', '-in', delta, '-noout', '-text', '-CAfile', 'issuing.pem')
    expect(text).toContain('verify OK')
    expect(text).toMatch(/X509v3 Delta CRL Indicator: critical/)
    const complete = await openssl('crl', '-inform', 'DER', '-in', 'first.crl', '-noout', '-text')
    expect(complete.text).toContain('X509v3 Freshest CRL')
    await openssl('crl', '-inform', 'DER', '-in', 'first.crl', '-out', 'first.pem')
    const verify = (leaf: string, ...more: string[]) => {
      const trust = ['-CAfile', 'root.pem', '-untrusted', 'issuing.pem']
      return openssl('verify', '-extended_crl', '-crl_check', ...trust, '-CRLfile', 'first.pem', ...more, leaf)
    }
    expect((await verify('bad-1.pem')).code).toBe(0)
    const revoked = await verify('bad-1.pem', '-use_deltas', '-CRLfile', delta)
    expect(revoked.text).toContain('certificate revoked')
    expect((await verify('good-1.pem', '-use_deltas', '-CRLfile', delta)).code).toBe(0)
  })

  test.each(['/crl/other.crl', '/crl/issuing-1', '/crl/issuing-1/1.crl', '/crl/issuing-1/0.crl', '/crl/..%2fx.crl'])(
    '%s is not there',
    async (path) => {
      expect((await fetch(at(path))).status).toBe(404)
    },
  )
})

describe('OCSP', () => {
  test('openssl: good, revoked and unknown, with a nonce', async () => {
    await currentCrl()
    const answer = await askOcsp('-cert', 'good-1.pem', '-cert', 'bad-1.pem', '-serial', '0x4000')
    expect(answer.text).toContain('Response verify OK')
    expect(answer.text).not.toContain('WARNING')
    expect(answer.text).toContain('good-1.pem: good')
    expect(answer.text).toMatch(/bad-1.pem: revoked[\s\S]*Reason: keyCompromise/)
    expect(answer.text).toContain('0x4000: unknown')
  })

  test('GnuTLS: good and revoked', async () => {
    await currentCrl()
    const ask = (leaf: string) =>
      command('ocsptool', `--ask=${at('/ocsp')}`, '--load-cert', leaf, '--load-issuer', 'issuing.pem')
    expect((await ask('good-1.pem')).text).toMatch(/Certificate Status: good[\s\S]*Verifying OCSP Response: Success/)
    expect((await ask('bad-1.pem')).text).toMatch(/Certificate Status: revoked[\s\S]*Verifying OCSP Response: Success/)
  })

  test('a GET may be kept by caches, and is the same for everybody', async () => {
    const issuer = new X509Certificate(await fetchBytes('/ca/issuing-1.crt'))
    const request = createOcspRequest(new X509Certificate(good.credentials.cert), issuer).toString('base64')
    const first = await fetch(at(`/ocsp/${encodeURIComponent(request)}`))
    expect(first.headers.get('content-type')).toBe('application/ocsp-response')
    expect(first.headers.get('cache-control')).toMatch(/^max-age=\d+,public,no-transform,must-revalidate$/)
    const der = Buffer.from(await first.arrayBuffer())
    await writeFile(join(room, 'get.der'), der)
    const trust = ['-CAfile', 'root.pem', '-issuer', 'issuing.pem', '-cert', 'good-1.pem', '-no_nonce']
    expect((await openssl('ocsp', ...trust, '-respin', 'get.der')).text).toContain('good-1.pem: good')
    const second = await fetch(at(`/ocsp/${request}`))
    expect(Buffer.from(await second.arrayBuffer()).equals(der)).toBe(true)
    const headers = { 'if-none-match': first.headers.get('etag') ?? '' }
    expect((await fetch(at(`/ocsp/${request}`), { headers })).status).toBe(304)
  })

  const malformed = Buffer.from('30030a0101', 'hex')
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['no DER', Buffer.from('GET OCSP')],
    ['too much', Buffer.alloc(100_000, 0x30)],
  ])('%s is malformed', async (_, body) => {
    const answer = await fetch(at('/ocsp'), { method: 'POST', body })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(Buffer.from(await answer.arrayBuffer()).equals(malformed)).toBe(true)
  })
  test('so is a path that is no base64', async () => {
    const answer = await fetch(at('/ocsp/%ff%'))
    expect(Buffer.from(await answer.arrayBuffer()).equals(malformed)).toBe(true)
  })
})

test.each(['-tls1_2', '-tls1_3'])('the API staples its status (%s)', async (version) => {
  const connect = ['-connect', `127.0.0.1:${stack.ports.api}`, '-servername', 'localhost', version]
  const { text } = await openssl('s_client', ...connect, '-CAfile', 'root.pem', '-status')
  expect(text).toContain('OCSP Response Status: successful')
  expect(text).toContain('Cert Status: good')
  expect(text).toContain('Verify return code: 0')
})

test('metrics tell the age and size of CRLs, the answers of OCSP and what expires', async () => {
  const text = await (await fetch(`http://127.0.0.1:${stack.ports.provisionerMetrics}/metrics`)).text()
  for (const part of [
    /muster_crl_this_update_timestamp_seconds\{issuer="issuing-1",shard="0",kind="full"\} \d{10}/,
    /muster_crl_size_bytes\{issuer="issuing-1",shard="0",kind="delta"\} \d{3}/,
    /muster_ocsp_requests_total\{status="good"\} [1-9]/,
    /muster_ocsp_requests_total\{status="revoked"\} [1-9]/,
    /muster_certificates_expiring\{holder="fleet",within="30d"\} 0/,
    /muster_server_certificate_expiry_timestamp_seconds\{name="broker-1"\} \d{10}/,
    /muster_server_certificate_expiry_timestamp_seconds\{name="provisioner-1"\} \d{10}/,
  ])
    expect(text).toMatch(part)
})

test('everything that the issuing CA has signed is on record', async () => {
  const { rows } = await stack.query('select count(*)::int as signed from responders where issuer = $1', ['issuing-1'])
  expect(rows[0]?.signed).toBe(1)
})
