import { execFileSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { connect as tcpConnect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseClaimToken } from '@muster/contracts'
import { type Dial, memoryStore, enrol as sdkEnrol } from '@muster/device'
import { createCsr, generateKey } from '@muster/pki'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { call } from './harness/http.ts'
import { type Stack, startStack } from './harness/stack.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack?.[Symbol.asyncDispose]())

const newCsr = async () => createCsr(await generateKey()).toString('base64')
const enrol = (body: unknown) => stack.api('/v1/enrol', { body, token: undefined })
const codeOf = (answer: { json: { type?: string } }) => answer.json?.type?.replace('urn:muster:error:', '')

test('a certificate passes OpenSSL, and reads as the standard names it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'muster-cert-'))
  const answer = await enrol({ claim: await stack.createClaim({ device: 'openssl-1' }), csr: await newCsr() })
  expect(answer.status).toBe(201)
  const [leaf, chain] = [join(directory, 'leaf.crt'), join(directory, 'chain.crt')]
  await writeFile(leaf, answer.json.certificate)
  await writeFile(chain, answer.json.chain)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { encoding: 'utf8' })
  const verify = ['verify', '-x509_strict', '-purpose', 'sslclient', '-CAfile', join(stack.data, 'ca/root.crt')]
  expect(openssl(...verify, '-untrusted', chain, leaf)).toContain('OK')
  const text = openssl('x509', '-in', leaf, '-noout', '-text')
  expect(text).toMatch(/Subject: CN = openssl-1, OU = default, O = default/)
  expect(text).toContain('URI:spiffe://muster.local/fleet/default/device/openssl-1')
  expect(text).toMatch(/Key Usage: critical\s+Digital Signature\n/)
  expect(text).toMatch(/Extended Key Usage:\s+TLS Web Client Authentication\n/)
  expect(text).toContain('CA:FALSE')
  const certificate = new X509Certificate(answer.json.certificate)
  const days = (certificate.validToDate.getTime() - Date.now()) / 86_400_000
  expect(Math.round(days)).toBe(90)
})

test('the first connection can be trusted with nothing but the claim', async () => {
  const claim = parseClaimToken(await stack.createClaim())
  const answer = await stack.api('/v1/bootstrap', { token: undefined })
  const fingerprint = createHash('sha256').update(new X509Certificate(answer.json.roots).raw).digest('hex')
  expect(claim.rootFingerprint).toBe(fingerprint)
  expect(answer.json.rootFingerprint).toBe(fingerprint)
})

test('a first boot by the SDK is one connection: our own chain leaves nothing to judge otherwise', async () => {
  const claim = await stack.createClaim({ device: 'sdk-1' })
  const purposes: string[] = []
  const dial: Dial = ({ port, purpose }) => {
    purposes.push(purpose)
    return tcpConnect(port, '127.0.0.1')
  }
  await sdkEnrol({ url: `https://localhost:${stack.ports.api}`, claim, store: memoryStore(), dial })
  expect(purposes).toEqual(['bootstrap'])
})

describe('a claim', () => {
  test('gives the same key the same certificate, any number of times', async () => {
    const body = { claim: await stack.createClaim({ device: 'again-1' }), csr: await newCsr() }
    const first = await enrol(body)
    const second = await enrol(body)
    expect(second.status).toBe(201)
    expect(second.json.certificate).toBe(first.json.certificate)
  })

  test('is refused with another key, recorded and raised as an alert', async () => {
    const claim = await stack.createClaim({ device: 'stolen-1' })
    expect((await enrol({ claim, csr: await newCsr() })).status).toBe(201)
    const thief = await enrol({ claim, csr: await newCsr() })
    expect(codeOf(thief)).toBe('claim-key-mismatch')
    const refusals = await stack.api('/v1/devices/stolen-1/refusals')
    expect(refusals.json.items).toMatchObject([{ code: 'claim-key-mismatch', alert: true, address: '127.0.0.1' }])
  })

  test('used by fifty keys at once makes exactly one certificate', async () => {
    const claim = await stack.createClaim({ device: 'race-1' })
    const requests = await Promise.all(Array.from({ length: 50 }, async () => ({ claim, csr: await newCsr() })))
    const answers = await Promise.all(requests.map(enrol))
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1)
    const others = answers.filter((answer) => answer.status !== 201).map(codeOf)
    expect(new Set(others)).toEqual(new Set(['claim-key-mismatch']))
    const { rows } = await stack.query("select serial from certificates where device = 'race-1'")
    expect(rows).toHaveLength(1)
  })

  test('used fifty times at once by one key gives one certificate', async () => {
    const body = { claim: await stack.createClaim({ device: 'race-2' }), csr: await newCsr() }
    const answers = await Promise.all(Array.from({ length: 50 }, () => enrol(body)))
    expect(answers.map((answer) => answer.status)).toEqual(Array(50).fill(201))
    expect(new Set(answers.map((answer) => answer.json.certificate)).size).toBe(1)
  })

  test('with several uses counts each key once', async () => {
    const claim = await stack.createClaim({ uses: 2 })
    const one = { claim, csr: await newCsr(), device: 'multi-1' }
    expect((await enrol(one)).status).toBe(201)
    expect((await enrol(one)).status).toBe(201)
    expect((await enrol({ claim, csr: await newCsr(), device: 'multi-2' })).status).toBe(201)
    expect(codeOf(await enrol({ claim, csr: await newCsr(), device: 'multi-3' }))).toBe('claim-exhausted')
  })

  test('names the device: the CSR and the request cannot', async () => {
    const key = await generateKey()
    const claim = await stack.createClaim({ device: 'named-1', group: 'line-1' })
    const asked = { claim, csr: createCsr(key, 'admin').toString('base64'), device: 'admin' }
    expect(codeOf(await enrol(asked))).toBe('device-name-mismatch')
    const answer = await enrol({ claim, csr: asked.csr })
    expect(answer.json.device).toEqual({ id: 'named-1', group: 'line-1', fleet: 'default' })
  })

  test('cannot take a name that belongs to another key', async () => {
    await stack.enrolDevice('taken-1')
    const claim = await stack.createClaim({ device: 'taken-1' })
    expect(codeOf(await enrol({ claim, csr: await newCsr() }))).toBe('device-taken')
  })
})

describe('malformed requests', () => {
  test.each([
    ['no JSON', 'hello', 'request-invalid'],
    ['truncated JSON', '{"claim":"', 'request-invalid'],
    ['no claim', { csr: 'AAAA' }, 'request-invalid'],
    ['unknown field', { claim: 'x', csr: 'AAAA', admin: true }, 'request-invalid'],
    ['a claim that is none', { claim: 'muster1.a.b.c', csr: 'AAAA' }, 'claim-invalid'],
    ['deep JSON', `${'['.repeat(20_000)}`, 'request-invalid'],
  ])('%s', async (_, body, code) => {
    const answer = await enrol(body)
    expect(codeOf(answer)).toBe(code)
    expect(answer.headers['content-type']).toContain('application/problem+json')
    expect(answer.status).toBeGreaterThanOrEqual(400)
    expect(answer.status).toBeLessThan(500)
  })

  test.each([
    ['text', 'not a csr'],
    ['an empty sequence', 'MAA='],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n'],
    ['a length beyond the end', Buffer.from('30847fffffff00', 'hex').toString('base64')],
    ['deep nesting', Buffer.from('30'.repeat(4_000), 'hex').toString('base64')],
  ])('a CSR that is %s', async (_, csr) => {
    const claim = await stack.createClaim({ device: 'malformed-1' })
    const answer = await enrol({ claim, csr })
    expect(codeOf(answer)).toBe('csr-invalid')
  })

  test('a CSR with a broken signature, and one signed by another key', async () => {
    const claim = await stack.createClaim({ device: 'malformed-2' })
    const der = createCsr(await generateKey())
    der[der.length - 5] = (der[der.length - 5] ?? 0) ^ 1
    expect(codeOf(await enrol({ claim, csr: der.toString('base64') }))).toBe('csr-invalid')
  })

  test('a body above the limit is refused before it is read', async () => {
    const answer = await enrol({ claim: 'x', csr: 'A'.repeat(1_000_000) }).catch(() => undefined)
    if (answer) expect(codeOf(answer)).toBe('request-too-large')
    expect((await stack.api('/readyz')).status).toBe(200)
  })

  test('a thousand half-open connections and slow headers do not stop the next device', async () => {
    const sockets = Array.from({ length: 1_000 }, () => tcpConnect(stack.ports.api, '127.0.0.1').on('error', () => {}))
    for (const socket of sockets) socket.write('\x16\x03\x01')
    expect((await enrol({ claim: await stack.createClaim({ device: 'after-1' }), csr: await newCsr() })).status).toBe(
      201,
    )
    for (const socket of sockets) socket.destroy()
  })
})

test('operators need their token, and a wrong one says nothing', async () => {
  for (const token of [
    undefined,
    '',
    'x',
    `${stack.token}x`,
    stack.token.replace(/.$/, (end) => (end === 'a' ? 'b' : 'a')),
  ]) {
    const answer = await call({ port: stack.ports.api, ca: stack.ca, path: '/v1/devices', token })
    expect(codeOf(answer)).toBe('not-authenticated')
  }
})

test('claims, tokens and keys are in no log and in no answer but their own', async () => {
  const claim = await stack.createClaim({ device: 'secret-1' })
  const { secret } = parseClaimToken(claim)
  const wrong = claim.replace(secret, `${secret.slice(0, -1)}${secret.endsWith('A') ? 'B' : 'A'}`)
  for (const token of [claim, wrong]) await enrol({ claim: token, csr: 'broken' })
  await enrol({ claim, csr: await newCsr() })
  const claims = await stack.api('/v1/claims')
  expect(claims.text).not.toContain(secret)
  const logs = stack.process('provisioner').output() + stack.process('broker').output()
  expect(logs).not.toContain(secret.slice(0, 20))
  expect(logs).not.toContain(stack.token)
  expect(logs).not.toContain('PRIVATE KEY')
})

test('CA keys and tokens on disk are for their owner only, keys encrypted', async () => {
  const files = await readdir(join(stack.data, 'ca'))
  const keys = files.filter((name) => name.endsWith('.key'))
  expect(keys.length).toBeGreaterThanOrEqual(2)
  for (const name of keys) expect(await readFile(join(stack.data, 'ca', name), 'utf8')).toContain('ENCRYPTED')
  const modes = execFileSync('stat', [
    '-c',
    '%a',
    join(stack.data, 'operator-token'),
    ...keys.map((name) => join(stack.data, 'ca', name)),
  ])
  expect(new Set(modes.toString().trim().split('\n'))).toEqual(new Set(['600']))
})
