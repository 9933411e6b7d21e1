import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Stack, startStack } from './harness/stack.ts'

/** An EST client (RFC 7030) that nobody here wrote: curl and openssl, in a directory of its own. */
let stack: Stack
let directory: string
beforeAll(async () => {
  stack = await startStack()
  directory = await mkdtemp(join(tmpdir(), 'muster-est-'))
  await writeFile(join(directory, 'root.pem'), stack.ca)
})
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

async function run(command: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd: directory, timeout: 60_000 })
  return stdout
}
const openssl = (...args: string[]) => run('openssl', ...args)
const read = (name: string) => readFile(join(directory, name), 'utf8')

/** The answer's body is in `<out>`, its headers are the result. */
const curl = (operation: string, out: string, ...args: string[]) =>
  run(
    'curl',
    ...['--silent', '--show-error', '--http1.1', '--cacert', 'root.pem', '--dump-header', '-', '--output', out],
    ...args,
    `https://localhost:${stack.ports.api}/.well-known/est/${operation}`,
  )

const subject = (id: string) => `/CN=${id}/OU=default/O=default`

async function makeRequest(
  name: string,
  id: string,
  keyArgs = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
) {
  await openssl(
    ...['req', '-new', '-config', '/dev/null', '-utf8', '-nodes', '-subj', subject(id), ...keyArgs],
    ...['-keyout', `${name}.key`, '-outform', 'DER', '-out', `${name}.der`],
  )
  await openssl('base64', '-in', `${name}.der`, '-out', `${name}.b64`)
}

const post = (operation: string, name: string, ...args: string[]) =>
  curl(
    operation,
    `${name}.p7.b64`,
    ...['--header', 'Content-Type: application/pkcs10', '--header', 'Content-Transfer-Encoding: base64'],
    ...['--data-binary', `@${name}.b64`, ...args],
  )

/** From the answer's body to PEM certificates. */
async function printCertificates(name: string): Promise<string> {
  await openssl('base64', '-d', '-in', `${name}.p7.b64`, '-out', `${name}.p7`)
  return openssl('pkcs7', '-inform', 'DER', '-in', `${name}.p7`, '-print_certs')
}

async function saveCertificate(name: string): Promise<string> {
  const text = await printCertificates(name)
  expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(1)
  await writeFile(join(directory, `${name}.crt`), text)
  await openssl('verify', '-CAfile', 'root.pem', '-untrusted', 'cacerts.pem', '-purpose', 'sslclient', `${name}.crt`)
  return text
}

const certsOnly = /^content-type: application\/pkcs7-mime; smime-type=certs-only\r$/im
const inBase64 = /^content-transfer-encoding: base64\r$/im

test('cacerts: what makes every certificate good', async () => {
  const headers = await curl('cacerts', 'cacerts.p7.b64')
  expect(headers).toMatch(/^HTTP\/1.1 200/)
  expect(headers).toMatch(certsOnly)
  expect(headers).toMatch(inBase64)
  const text = await printCertificates('cacerts')
  expect(text.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
  await writeFile(join(directory, 'cacerts.pem'), text)
  expect(await run('certtool', '--p7-info', '--inder', '--infile', 'cacerts.p7')).toContain('Number of certificates: 2')
})

test('csrattrs: DER and nothing after it', async () => {
  const headers = await curl('csrattrs', 'csrattrs.b64')
  expect(headers).toMatch(/^content-type: application\/csrattrs\r$/im)
  await openssl('base64', '-d', '-in', 'csrattrs.b64', '-out', 'csrattrs.der')
  expect(await openssl('asn1parse', '-inform', 'DER', '-in', 'csrattrs.der')).toContain('prime256v1')
})

test('enrols, connects, re-enrols with the same key and with a new one', async () => {
  const claim = await stack.createClaim({ device: 'est-1' })
  await makeRequest('first', 'est-1')
  const headers = await post('simpleenroll', 'first', '--user', `est-1:${claim}`)
  expect(headers).toMatch(/^HTTP\/1.1 200/)
  expect(headers).toMatch(certsOnly)
  expect(headers).toMatch(inBase64)
  const first = await saveCertificate('first')
  expect(first).toMatch(/subject=CN = est-1, OU = default, O = default/)

  const client = await connectAsync(`mqtts://localhost:${stack.ports.mqtt}`, {
    key: await read('first.key'),
    cert: (await read('first.crt')) + (await read('cacerts.pem')),
    ca: stack.ca,
    clientId: 'est-1',
    reconnectPeriod: 0,
  })
  await client.publishAsync('fleets/default/devices/est-1/telemetry/t', '1', { qos: 1 })
  await client.endAsync()

  const mutual = (name: string) => ['--cert', `${name}.crt`, '--key', `${name}.key`]
  await makeRequest('again', 'est-1', ['-key', 'first.key'])
  expect(await post('simplereenroll', 'again', ...mutual('first'))).toMatch(/^HTTP\/1.1 200[\s\S]*certs-only/)
  expect(await saveCertificate('again')).not.toBe(first)
  await makeRequest('second', 'est-1')
  expect(await post('simplereenroll', 'second', ...mutual('first'))).toMatch(/^HTTP\/1.1 200/)
  await saveCertificate('second')
  // With the renewed certificate: it is in use from here on, and the first is out.
  await makeRequest('third', 'est-1')
  expect(await post('simplereenroll', 'third', ...mutual('second'))).toMatch(/^HTTP\/1.1 200/)
  const late = await post('simplereenroll', 'third', ...mutual('first'))
  expect(late).toMatch(/^HTTP\/1.1 403/)
  expect(await read('third.p7.b64')).toContain('certificate-superseded')
})

test.each([
  ['chunked, in lines', 'chunked', ['--header', 'Transfer-Encoding: chunked']],
  ['chunked, in one line', 'line', ['--header', 'Transfer-Encoding: chunked']],
  ['RSA', 'rsa', []],
])('%s', async (_, name, args) => {
  const claim = await stack.createClaim({ device: `est-${name}` })
  await makeRequest(name, `est-${name}`, name === 'rsa' ? ['-newkey', 'rsa:2048'] : undefined)
  if (name === 'line') await openssl('base64', '-A', '-in', 'line.der', '-out', 'line.b64')
  const headers = await post('simpleenroll', name, '--user', `est-${name}:${claim}`, ...args)
  expect(headers).toMatch(/HTTP\/1.1 200/)
  await saveCertificate(name)
})

test('202 and Retry-After until an operator approves', async () => {
  const claim = await stack.createClaim({ device: 'est-wait', approval: true })
  await makeRequest('wait', 'est-wait')
  expect(await post('simpleenroll', 'wait', '--user', `est-wait:${claim}`)).toMatch(
    /^HTTP\/1.1 202[\s\S]*^retry-after: \d+\r$/im,
  )
  expect((await stack.api('/v1/devices/est-wait/approve', { method: 'POST' })).status).toBe(200)
  expect(await post('simpleenroll', 'wait', '--user', `est-wait:${claim}`)).toMatch(/^HTTP\/1.1 200/)
  await saveCertificate('wait')
})

describe('refused', () => {
  test('401 with a challenge, that curl answers', async () => {
    const claim = await stack.createClaim({ device: 'est-auth' })
    await makeRequest('auth', 'est-auth')
    const wrong = await post('simpleenroll', 'auth', '--user', 'est-auth:wrong')
    expect(wrong).toMatch(/^HTTP\/1.1 401[\s\S]*^www-authenticate: Basic realm="muster"\r$/im)
    // curl sends nothing until it is challenged.
    const asked = await post('simpleenroll', 'auth', '--anyauth', '--user', `est-auth:${claim}`)
    expect(asked).toMatch(/HTTP\/1.1 200/)
  })

  test('a re-enrolment for somebody else, or without a certificate', async () => {
    const claim = await stack.createClaim({ device: 'est-other' })
    await makeRequest('other', 'est-other')
    await post('simpleenroll', 'other', '--user', `est-other:${claim}`)
    await saveCertificate('other')
    await makeRequest('forged', 'est-1')
    const mutual = ['--cert', 'other.crt', '--key', 'other.key']
    expect(await post('simplereenroll', 'forged', ...mutual)).toMatch(/^HTTP\/1.1 400/)
    expect(await read('forged.p7.b64')).toContain('csr-subject-mismatch')
    expect(await post('simplereenroll', 'forged')).toMatch(/^HTTP\/1.1 401/)
  })
})
