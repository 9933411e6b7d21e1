import { execFile, execFileSync, spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Refusal } from '@muster/contracts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { root } from './harness/process.ts'
import { type EnrolledDevice, type Stack, startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

// Nothing here speaks TLS or MQTT by our code: OpenSSL, Mosquitto's clients and curl do.
let stack: Stack
let directory: string
const at = (name: string) => join(directory, name)
beforeAll(async () => {
  stack = await startStack()
  directory = await mkdtemp(join(tmpdir(), 'muster-refusals-'))
  await writeFile(at('root.crt'), stack.ca)
  const foreign = ['-keyout', at('foreign.key'), '-out', at('foreign.crt'), '-subj', '/CN=Foreign CA', '-days', '30']
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', ...foreign)
})
afterAll(() => stack?.[Symbol.asyncDispose]())

/** Runs a client to its end, whatever that is. */
const run = (command: string, ...args: string[]) =>
  promisify(execFile)(command, args, { timeout: 20_000 }).catch((error: { stdout: string; stderr: string }) => error)

async function enrol(id: string): Promise<EnrolledDevice> {
  const device = await stack.enrolDevice(id)
  await writeFile(at(`${id}.crt`), device.credentials.cert)
  await writeFile(at(`${id}.key`), device.credentials.key)
  return device
}

const pub = (id: string, options: string[] = [], topic = `fleets/default/devices/${id}/telemetry`) => {
  const own = ['--cafile', at('root.crt'), '--cert', at(`${id}.crt`), '--key', at(`${id}.key`)]
  const to = ['-h', 'localhost', '-p', String(stack.ports.mqtt), '-t', topic, '-m', 'x', '-q', '1']
  return run('mosquitto_pub', ...to, ...own, ...(options.includes('-i') ? [] : ['-i', id]), ...options)
}

const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })

/** A certificate by OpenSSL, of our issuing CA or of one that nobody knows. */
async function forge(id: string, ca: 'ours' | 'foreign', [from, until] = ['20260101000000Z', '20451231000000Z']) {
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const subject = ['-subj', `/O=default/OU=default/CN=${id}`]
  openssl('req', ...newKey, '-keyout', at(`${id}.key`), '-out', at(`${id}.csr`), ...subject)
  const san = `subjectAltName=URI:spiffe://muster.local/fleet/default/device/${id}`
  await writeFile(at('ext'), `keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n${san}\n`)
  await writeFile(at('index'), '')
  const names = ['commonName', 'organizationName', 'organizationalUnitName'].map((name) => `${name}=optional`)
  const settings = [
    `database=${at('index')}`,
    `new_certs_dir=${directory}`,
    `serial=${at('serial')}`,
    'policy=names',
    'default_md=sha256',
  ]
  await writeFile(at('conf'), ['[ca]', 'default_ca=us', '[us]', ...settings, '[names]', ...names, ''].join('\n'))
  const own = join(stack.data, 'ca/issuing-1')
  const signer =
    ca === 'ours'
      ? ['-cert', `${own}.crt`, '-keyfile', `${own}.key`, '-passin', `file:${join(stack.data, 'ca/passphrase')}`]
      : ['-cert', at('foreign.crt'), '-keyfile', at('foreign.key')]
  const validity = ['-startdate', from ?? '', '-enddate', until ?? '']
  const how = ['-batch', '-notext', '-rand_serial', '-preserveDN', '-config', at('conf'), '-extfile', at('ext')]
  openssl('ca', ...how, ...signer, ...validity, '-in', at(`${id}.csr`), '-out', at(`${id}.crt`))
  return new X509Certificate(await readFile(at(`${id}.crt`)))
}

/** As if the platform had issued it. */
async function register(id: string, certificate: X509Certificate) {
  await stack.query("update certificates set state = 'superseded' where device = $1", [id])
  const hex = (text: string) => text.replaceAll(':', '').toLowerCase()
  await stack.query(
    `insert into certificates (serial, fleet, device, issuer, fingerprint, key_fingerprint, der, state, not_before, not_after)
      values ($1, 'default', $2, 'issuing-1', $3, 'k', $4, 'active', $5, $6)`,
    [
      ...[hex(certificate.serialNumber), id, hex(certificate.fingerprint256), certificate.raw],
      ...[new Date(certificate.validFrom), new Date(certificate.validTo)],
    ],
  )
}

async function find(query: string, code: string): Promise<Refusal> {
  let found: Refusal | undefined
  await waitFor(`${code} on record`, async () => {
    const { json } = await stack.api(`/v1/refusals?limit=100&code=${code}&${query}`)
    found = json.items[0]
    return found !== undefined
  })
  if (!found) throw new Error('not found')
  return found
}

/** What the operator reads. */
async function why(id: string): Promise<string> {
  const env = { PATH: process.env.PATH, MUSTER_DATA: stack.data, MUSTER_API_PORT: String(stack.ports.api) }
  return (await promisify(execFile)(join(root, 'muster'), ['devices', 'why', id], { env })).stdout
}

describe('before a certificate is known', () => {
  test('MQTT without TLS', async () => {
    await run('mosquitto_pub', '-h', '127.0.0.1', '-p', String(stack.ports.mqtt), '-t', 'x', '-m', 'x', '-i', 'plain')
    const refusal = await find('', 'tls-required')
    expect(refusal).toMatchObject({ fleet: null, device: null, address: '127.0.0.1', proven: false })
    expect(refusal.detail).toContain('MQTT')
    expect(refusal.advice.device).toContain('mqtts://')
  })

  test('HTTP, and HTTPS by a client without certificate', async () => {
    await run('curl', '-s', '-m', '5', `http://127.0.0.1:${stack.ports.mqtt}/`)
    await waitFor('HTTP', async () => (await find('', 'tls-required')).detail.includes('HTTP'))
    await run('curl', '-s', '-m', '5', '--cacert', at('root.crt'), `https://localhost:${stack.ports.mqtt}/`)
    await find('', 'certificate-missing')
  })

  test.each([
    ['TLS 1.1', ['-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'], 'tls-version'],
    ['a cipher suite without forward secrecy', ['-tls1_2', '-cipher', 'AES128-SHA'], 'tls-no-shared-cipher'],
    [
      'a client that does not trust us',
      ['-verify_return_error', '-no-CAfile', '-no-CApath', '-no-CAstore'],
      'tls-server-rejected',
    ],
  ])('%s', async (_, options, code) => {
    await run('openssl', 's_client', '-connect', `127.0.0.1:${stack.ports.mqtt}`, ...options)
    expect(await find('', code)).toMatchObject({ device: null, address: '127.0.0.1', proven: false })
    const metrics = await (await fetch(`http://127.0.0.1:${stack.ports.brokerMetrics}/metrics`)).text()
    expect(metrics).toMatch(new RegExp(`muster_broker_refusals_total\\{code="${code}"\\} [1-9]`))
  })

  test('a port scanner that says nothing is no storm of records', async () => {
    const scanner = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${stack.ports.mqtt}`], { stdio: 'ignore' })
    await new Promise((resolve) => scanner.once('spawn', resolve))
    scanner.kill('SIGKILL')
    const { json } = await stack.api('/v1/refusals?limit=100')
    expect(json.items.filter((item: Refusal) => item.device === null).length).toBeLessThan(12)
  })
})

describe('certificates', () => {
  test('none: the client id tells who it might be, and the operator finds it under that name', async () => {
    const to = ['-h', 'localhost', '-p', String(stack.ports.mqtt), '--cafile', at('root.crt')]
    await run('mosquitto_pub', ...to, '-t', 'x', '-m', 'x', '-i', 'bare-1')
    const refusal = await find('device=bare-1', 'certificate-missing')
    expect(refusal).toMatchObject({ fleet: null, proven: false, subject: null })
    const text = await why('bare-1')
    expect(text).toContain('not enrolled')
    expect(text).toContain('only claims')
  })

  test('of a foreign CA: which one, and that it is only a claim', async () => {
    await enrol('held-1')
    await forge('held-1', 'foreign')
    await pub('held-1')
    const refusal = await find('device=held-1', 'certificate-untrusted')
    expect(refusal).toMatchObject({ fleet: 'default', proven: false, alert: true, issuer: 'CN=Foreign CA' })
    expect(refusal.detail).toContain('Foreign CA')
    expect(refusal.subject).toBe('CN=held-1, OU=default, O=default')
    expect(await why('held-1')).toContain('ALERT certificate-untrusted')
  })

  test('of a foreign CA with a name that nobody has here: on record, and no alert', async () => {
    await forge('stranger-1', 'foreign')
    await pub('stranger-1')
    expect(await find('device=stranger-1', 'certificate-untrusted')).toMatchObject({ proven: false, alert: false })
  })

  test('of our CA but never issued', async () => {
    await forge('ghost-1', 'ours')
    await pub('ghost-1')
    expect(await find('device=ghost-1', 'certificate-unknown')).toMatchObject({ proven: false, alert: true })
  })

  test('expired: since when', async () => {
    const { id } = await enrol('old-1')
    await register(id, await forge(id, 'ours', ['20260101000000Z', '20260201000000Z']))
    await pub(id)
    const refusal = await find(`device=${id}`, 'certificate-expired')
    expect(refusal).toMatchObject({ proven: true })
    expect(refusal.detail).toContain('expired at 2026-02-01')
    expect(refusal.advice.operator).toContain('muster fleets set')
  })

  test('not yet valid: until when', async () => {
    const { id } = await enrol('new-1')
    await register(id, await forge(id, 'ours', ['20450101000000Z', '20460101000000Z']))
    await pub(id)
    const refusal = await find(`device=${id}`, 'certificate-not-yet-valid')
    expect(refusal).toMatchObject({ proven: true })
    expect(refusal.detail).toMatch(/valid from 2045-01-01.*clock/)
  })

  test('revoked: when and why', async () => {
    const { id } = await enrol('out-1')
    await stack.api(`/v1/devices/${id}/revoke`, { body: { reason: 'keyCompromise' } })
    await pub(id)
    const refusal = await find(`device=${id}`, 'device-revoked')
    expect(refusal).toMatchObject({ proven: true, fleet: 'default' })
    expect(refusal.detail).toMatch(/since \d{4}-\d\d-\d\dT.*keyCompromise/)
    expect(await why(id)).toMatch(/out-1 is revoked since/)
  })
})

describe('what a good certificate may not', () => {
  test('use another client id: which was given, and which is needed', async () => {
    const { id } = await enrol('named-1')
    await pub(id, ['-i', 'somebody'])
    const refusal = await find(`device=${id}`, 'client-id-mismatch')
    expect(refusal).toMatchObject({ proven: true })
    expect(refusal.detail).toMatch(/somebody.*named-1/)
    expect(refusal.serial).toMatch(/^[0-9a-f]+$/)
  })

  test('publish elsewhere: which rule', async () => {
    const { id } = await enrol('topic-1')
    await pub(id, ['-V', 'mqttv5'], 'fleets/default/devices/other/telemetry')
    expect(await find(`device=${id}`, 'publish-denied')).toMatchObject({ proven: true, address: '127.0.0.1' })
    const text = await why(id)
    expect(text).toContain('publish-denied')
    expect(text).toContain('Change the policy')
  })

  test('a device that never came is told so', async () => {
    await enrol('quiet-1')
    expect(await why('quiet-1')).toContain('never been seen')
  })
})
