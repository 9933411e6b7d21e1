import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { renewalTopics } from '@muster/contracts'
import { createCsr, createRenewalProof, encodePem, generateKey, issueCertificate, openCa } from '@muster/pki'
import { createTestCa } from '@muster/pki/testing'
import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, call } from './harness/http.ts'
import { type Stack, startStack } from './harness/stack.ts'
import { nextEvent, waitFor } from './harness/wait.ts'

interface Credentials {
  key: string
  cert: string
}

let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack?.[Symbol.asyncDispose]())

const pemOf = (key: Awaited<ReturnType<typeof generateKey>>) => key.export({ type: 'pkcs8', format: 'pem' }).toString()
const csrOf = (key: string) => encodePem('CERTIFICATE REQUEST', createCsr(createPrivateKey(key)))
const serialOf = (pem: string) => new X509Certificate(pem).serialNumber.toLowerCase()

const ask = (credentials: Credentials | undefined, path: string, body?: unknown) =>
  call({ port: stack.ports.api, ca: stack.ca, credentials, path, body })
const renew = (credentials: Credentials | undefined, key: string) =>
  ask(credentials, '/v1/renew', { csr: csrOf(key), deviceTime: new Date().toISOString() })
const next = (key: string, { json }: Answer): Credentials => ({ key, cert: json.certificate + json.chain })
const codeOf = ({ json }: Answer) => String(json.type).replace('urn:muster:error:', '')

async function statesOf(id: string) {
  const { json } = await stack.api(`/v1/devices/${id}/certificates`)
  return Object.fromEntries(json.items.map(({ serial, state }: Record<string, string>) => [serial, state]))
}

test('the old certificate is good until the new one is used, and then no longer', async () => {
  const { credentials } = await stack.enrolDevice('renew-1')
  const key = pemOf(await generateKey())
  const answer = await renew(credentials, key)
  expect(answer.status).toBe(201)
  const renewed = next(key, answer)
  expect((await renew(credentials, key)).json.certificate).toBe(answer.json.certificate)
  expect((await ask(credentials, '/v1/renewal')).status).toBe(200)
  expect(Object.values(await statesOf('renew-1')).sort()).toEqual(['active', 'pending'])

  const window = await ask(renewed, '/v1/renewal')
  expect(window.json.window.start).toBe(answer.json.renewAfter)
  const late = await ask(credentials, '/v1/renewal')
  expect([late.status, codeOf(late)]).toEqual([403, 'certificate-superseded'])
  const { json: device } = await stack.api('/v1/devices/renew-1')
  expect(Math.abs(device.clockSkewSeconds)).toBeLessThanOrEqual(20)
})

test('who shows no certificate, or one of somebody else’s making, is refused and named', async () => {
  const key = await generateKey()
  const nobody = await renew(undefined, pemOf(key))
  expect([nobody.status, codeOf(nobody)]).toEqual([401, 'certificate-missing'])
  const foreign = await createTestCa()
  const { pem } = await foreign.issue({ device: 'renew-1' }, key)
  const stranger = await renew({ key: pemOf(key), cert: pem }, pemOf(key))
  expect([stranger.status, codeOf(stranger)]).toEqual([403, 'certificate-unknown'])
  const operator = await stack.api('/v1/renewal')
  expect(codeOf(operator)).toBe('certificate-missing')
})

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('%s', (version) => {
  /** GET /v1/renewal on a connection of its own; the session that the next one may resume. */
  async function askOnce(credentials: Credentials, session?: Buffer) {
    const options = { host: 'localhost', port: stack.ports.api, servername: 'localhost', ca: stack.ca, ...credentials }
    const versions = { minVersion: version, maxVersion: version }
    const socket = connect({ ...options, ...versions, ...(session && { session }) })
    let latest = session
    socket.on('session', (given: Buffer) => {
      latest = given
    })
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    await once(socket, 'secureConnect')
    const resumed = socket.isSessionReused()
    socket.write('GET /v1/renewal HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n')
    await once(socket, 'close')
    return { text, session: latest, resumed }
  }

  test('a resumed session is judged like a full one', async () => {
    const id = `ticket-${version === 'TLSv1.2' ? 2 : 3}`
    const { credentials } = await stack.enrolDevice(id)
    const first = await askOnce(credentials)
    expect(first.text).toContain('200 OK')
    const second = await askOnce(credentials, first.session)
    expect(second.resumed).toBe(true)
    expect(second.text).toContain('200 OK')
    await stack.api(`/v1/devices/${id}/revoke`, { body: { reason: 'keyCompromise' } })
    const third = await askOnce(credentials, second.session)
    expect(third.text).toMatch(/403 Forbidden[\s\S]*urn:muster:error:device-revoked/)
  })
})

test('an operator pulls the window forward, and the renewed certificate is not called again', async () => {
  const { credentials } = await stack.enrolDevice('pulled-1')
  const before = (await ask(credentials, '/v1/renewal')).json.window.start
  const pulled = await stack.api('/v1/renewal-windows', { body: { device: 'pulled-1' } })
  expect(pulled.status).toBe(201)
  const { window } = (await ask(credentials, '/v1/renewal')).json
  expect(window.start < before).toBe(true)
  expect(Date.parse(window.end) - Date.now()).toBeLessThanOrEqual(3_600_000)
})

test('a server renews the same way, and its certificate still names its hosts', async () => {
  const { credentials } = await stack.enrolDevice('broker-9', { fleet: 'muster', profile: 'server', group: 'brokers' })
  const answer = await renew(credentials, credentials.key)
  const leaf = new X509Certificate(answer.json.certificate)
  expect(leaf.checkHost('localhost')).toBe('localhost')
  expect((await ask(next(credentials.key, answer), '/v1/renewal')).status).toBe(200)
})

/** The device's certificate as if it had been issued long ago: by the CA itself, and so in the registry. */
async function age(id: string, { key, cert }: Credentials, from: Date, to: Date): Promise<Credentials> {
  const { issuer } = await openCa({ directory: join(stack.data, 'ca'), now: new Date() })
  const former = new X509Certificate(cert)
  const aged = await issueCertificate(issuer, {
    identity: { fleet: 'default', group: 'default', device: id, profile: 'device' },
    spki: former.publicKey.export({ type: 'spki', format: 'der' }),
    trustDomain: 'muster.local',
    notBefore: from,
    notAfter: to,
  })
  await stack.query(
    `update certificates set serial = $2, der = $3, fingerprint = $4, not_before = $5, not_after = $6 where serial = $1`,
    [serialOf(cert), aged.serial, aged.der, aged.fingerprint, from, to],
  )
  return { key, cert: aged.pem }
}

const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000)
const lateDays = (lateRenewalDays: number) =>
  stack.api('/v1/fleets/default', { method: 'PATCH', body: { lateRenewalDays } })

test('late: an expired certificate renews within the days its fleet gives it, and one from the future never', async () => {
  const { credentials } = await stack.enrolDevice('late-1')
  const expired = await age('late-1', credentials, daysAgo(100), daysAgo(10))
  for (const days of [0, 9]) {
    await lateDays(days)
    const refused = await renew(expired, credentials.key)
    expect([refused.status, codeOf(refused)]).toEqual([403, 'certificate-expired'])
  }
  await lateDays(11)
  const answer = await renew(expired, credentials.key)
  expect(answer.status).toBe(201)
  expect((await ask(next(credentials.key, answer), '/v1/renewal')).status).toBe(200)
  const other = await stack.enrolDevice('late-2')
  const early = await age('late-2', other.credentials, daysAgo(-1), daysAgo(-2))
  expect(codeOf(await renew(early, other.credentials.key))).toBe('certificate-not-yet-valid')
  await lateDays(0)
})

describe('at the broker', () => {
  const admitted = (id: string, credentials: Credentials) =>
    connectAsync(`mqtts://localhost:${stack.ports.mqtt}`, {
      ...credentials,
      ca: stack.ca,
      clientId: id,
      reconnectPeriod: 0,
      connectTimeout: 5_000,
    })

  test('the first connection with the renewed certificate ends the one with the old', async () => {
    const { credentials } = await stack.enrolDevice('use-1')
    const answer = await renew(credentials, credentials.key)
    const old = await admitted('use-1', credentials)
    const closed = nextEvent(old, 'close')
    const client = await admitted('use-1', next(credentials.key, answer))
    await closed
    await waitFor('the promotion', async () => (await statesOf('use-1'))[serialOf(credentials.cert)] === 'superseded')
    await expect(admitted('use-1', credentials)).rejects.toThrow()
    expect(codeOf(await ask(credentials, '/v1/renewal'))).toBe('certificate-superseded')
    await client.endAsync()
    await old.endAsync(true)
  })

  test('a proof over MQTT, asked while every provisioner is down, is answered when one is back', async () => {
    const { credentials } = await stack.enrolDevice('proof-1')
    const client = await admitted('proof-1', credentials)
    const topics = renewalTopics({ fleet: 'default', device: 'proof-1' })
    await client.subscribeAsync(topics.response, { qos: 1 })
    const answers: Record<string, string>[] = []
    client.on('message', (_, payload) => answers.push(JSON.parse(payload.toString())))
    const key = createPrivateKey(pemOf(await generateKey()))
    const proof = createRenewalProof({
      serial: serialOf(credentials.cert),
      key: createPrivateKey(credentials.key),
      csr: createCsr(key),
      at: new Date(0),
    })
    await stack.process('provisioner').kill()
    await client.publishAsync(topics.request, JSON.stringify(proof), { qos: 1 })
    await stack.start('provisioner')
    const answer = await waitFor('the answer', () => answers[0])
    const renewed = new X509Certificate(answer.certificate ?? '')
    expect(renewed.checkPrivateKey(key)).toBe(true)
    await client.endAsync()
    const again = await admitted('proof-1', { key: pemOf(key), cert: `${answer.certificate}${answer.chain}` })
    await waitFor('the promotion', async () => (await statesOf('proof-1'))[serialOf(credentials.cert)] === 'superseded')
    await again.endAsync()
  })
})

test('the provisioner dies in the middle of renewals: no device is stranded, none has two certificates in use', async () => {
  const rounds = 3
  const perRound = 8
  for (let round = 0; round < rounds; round++) {
    const devices = await Promise.all(
      Array.from({ length: perRound }, async (_, index) => {
        const id = `kill-${round}-${index}`
        const { credentials } = await stack.enrolDevice(id)
        return { id, credentials, key: pemOf(await generateKey()) }
      }),
    )
    // All at once, and the axe falls at another moment each round: before, amid and after the commits.
    const attempts = devices.map(({ credentials, key }) => renew(credentials, key).catch(() => undefined))
    await Promise.race(round === 0 ? [Promise.resolve()] : attempts.slice(0, round * 3))
    await stack.crash('provisioner')
    const answers = await Promise.all(attempts)
    for (const [index, { id, credentials, key }] of devices.entries()) {
      const answered = answers[index]
      const repeated = await renew(credentials, key)
      expect(repeated.status, id).toBe(201)
      if (answered?.status === 201) expect(repeated.json.certificate, id).toBe(answered.json.certificate)
      const inUse = serialOf(credentials.cert)
      const waiting = serialOf(repeated.json.certificate)
      expect(await statesOf(id)).toEqual({ [inUse]: 'active', [waiting]: 'pending' })
      expect((await ask(next(key, repeated), '/v1/renewal')).status).toBe(200)
      expect(await statesOf(id)).toEqual({ [inUse]: 'superseded', [waiting]: 'active' })
    }
  }
})
