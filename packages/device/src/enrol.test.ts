import { connect as connectTcp } from 'node:net'
import { MusterError } from '@muster/contracts'
import { generateKey } from '@muster/pki'
import { createTestCa } from '@muster/pki/testing'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { type EnrolOptions, enrol } from './enrol.ts'
import type { Retry } from './retry.ts'
import { memoryStore } from './store/memory-store.ts'
import {
  answerAndClose,
  type Behaviour,
  problem,
  startTestProvisioner,
  type TestProvisioner,
  type TestProvisionerOptions,
  wellBehaved,
} from './testing/provisioner.ts'
import type { Dial } from './trust/dial.ts'

const quick = { minMs: 1, maxMs: 5 }
const optionsFor = (server: TestProvisioner): EnrolOptions => ({
  ...{ url: server.url, claim: server.claim, store: memoryStore(), device: 'pump-1' },
  ...quick,
})
const codeOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'enrolled',
    (error: unknown) => (error instanceof MusterError ? error.code : error),
  )

let stranger: Awaited<ReturnType<typeof createTestCa>>
beforeAll(async () => {
  stranger = await createTestCa()
})

describe('works', () => {
  test('a claim becomes a stored certificate', async () => {
    await using server = await startTestProvisioner()
    const options = optionsFor(server)
    const enrolment = await enrol(options)
    expect(enrolment.device.id).toBe('pump-1')
    expect(await options.store.loadEnrolment()).toMatchObject({
      url: server.url,
      enrolment,
      roots: server.ca.root.toString(),
    })
  })

  test('once enrolled, nobody is asked again', async () => {
    await using server = await startTestProvisioner()
    const options = optionsFor(server)
    const first = await enrol(options)
    const requests = server.bodies.length
    expect(await enrol({ ...options, url: 'https://nowhere.invalid', claim: 'lost since' })).toEqual(first)
    expect(server.bodies).toHaveLength(requests)
  })

  test('while roots are being rolled, with all that are handed out', async () => {
    await using server = await startTestProvisioner()
    server.roots = stranger.root.toString() + server.ca.root.toString()
    const options = optionsFor(server)
    await enrol(options)
    expect((await options.store.loadEnrolment())?.roots).toBe(server.roots)
  })

  test.each(['p384', 'ed25519', 'rsa2048'] as const)('with a key of kind %s', async (keyAlgorithm) => {
    await using server = await startTestProvisioner()
    await expect(enrol({ ...optionsFor(server), keyAlgorithm })).resolves.toBeDefined()
  })

  test('attributes and name are sent; the key is not', async () => {
    await using server = await startTestProvisioner()
    await enrol({ ...optionsFor(server), attributes: { model: 'th-100' } })
    const body = JSON.parse(server.bodies.at(-1) ?? '')
    expect(body).toMatchObject({ device: 'pump-1', attributes: { model: 'th-100' } })
    expect(server.bodies.join()).not.toContain('PRIVATE')
  })
})

describe('goes on trying', () => {
  const cases: [string, Behaviour, string][] = [
    ['503', ({ reply }) => reply(503, problem('unavailable', 503), { 'retry-after': '0' }), 'unavailable'],
    ['429', ({ reply }) => reply(429, problem('rate-limited', 429)), 'rate-limited'],
    ['502 of a proxy', ({ reply }) => reply(502, '<html>'), 'unavailable'],
    ['an answer that is no JSON', ({ reply }) => reply(200, '<html>log in to the guest network'), 'internal'],
    ['a redirection', ({ reply }) => reply(302, '', { location: 'https://portal.invalid/' }), 'unavailable'],
    ['a huge answer', ({ reply }) => reply(200, `"${'x'.repeat(1_000_000)}"`), 'unavailable'],
    ['no answer', ({ response }) => void response.destroy(), 'unavailable'],
    [
      'half an answer',
      async ({ answer, response }) => {
        const text = JSON.stringify((await answer()).body)
        response.writeHead(200, { 'content-length': text.length })
        response.write(text.slice(0, 100), () => response.destroy())
      },
      'unavailable',
    ],
  ]
  describe.each(['bootstrap', 'enrol'] as const)('at %s after', (route) => {
    test.each(cases)('%s', async (_, behaviour, code) => {
      await using server = await startTestProvisioner()
      server.script[route].push(behaviour)
      const retries: Retry[] = []
      await enrol({ ...optionsFor(server), onRetry: (retry) => retries.push(retry) })
      expect(retries.map(({ error }) => error.code)).toEqual([code])
      expect(server.keys.size).toBe(1)
    })
  })

  test('an answer that is lost after the certificate was made costs a round, not the claim', async () => {
    await using server = await startTestProvisioner()
    const made: unknown[] = []
    const loseAnswer: Behaviour = async ({ answer, response }) => {
      made.push((await answer()).body)
      response.destroy()
    }
    server.script.enrol.push(loseAnswer, loseAnswer, loseAnswer)
    expect(await enrol(optionsFor(server))).toEqual(made[0])
    expect(made).toHaveLength(3)
  })

  test('while approval is pending', async () => {
    await using server = await startTestProvisioner()
    const pending: Behaviour = ({ reply }) => reply(202, { status: 'pending', retryAfter: 0 })
    server.script.enrol.push(pending, pending)
    const onRetry = vi.fn()
    await enrol({ ...optionsFor(server), onRetry })
    expect(onRetry).toHaveBeenCalledTimes(2)
    expect(onRetry.mock.calls[0]?.[0].error.code).toBe('device-pending')
  })

  test('until the signal ends it', async () => {
    const options = {
      ...{ url: 'https://127.0.0.1:9', claim: `muster1.${'0'.repeat(16)}.${'A'.repeat(43)}.${'0'.repeat(64)}` },
      ...{ store: memoryStore(), ...quick },
    }
    const ending = new AbortController()
    const reason = new Error('enough')
    const onRetry = ({ attempt }: Retry) => attempt === 3 && ending.abort(reason)
    await expect(enrol({ ...options, signal: ending.signal, onRetry })).rejects.toBe(reason)
  })
})

describe('rejects', () => {
  test.each(['claim-key-mismatch', 'claim-invalid', 'device-revoked', 'csr-invalid'] as const)(
    '%s at once, with the code',
    async (code) => {
      await using server = await startTestProvisioner()
      server.script.enrol.push(({ reply }) => reply(409, problem(code, 409)))
      const onRetry = vi.fn()
      expect(await codeOf(enrol({ ...optionsFor(server), onRetry }))).toBe(code)
      expect(onRetry).not.toHaveBeenCalled()
    },
  )

  test('the claim of somebody else: another key has used it', async () => {
    await using server = await startTestProvisioner()
    await enrol(optionsFor(server))
    expect(await codeOf(enrol(optionsFor(server)))).toBe('claim-key-mismatch')
  })

  test('what cannot work before a key is made', async () => {
    await using server = await startTestProvisioner()
    const options = optionsFor(server)
    expect(await codeOf(enrol({ ...options, claim: 'muster1.x' }))).toBe('claim-invalid')
    expect(await codeOf(enrol({ ...options, url: server.url.replace('https', 'http') }))).toBe('request-invalid')
    expect(await codeOf(enrol({ ...options, device: 'Pump 1' }))).toBe('request-invalid')
    expect(await codeOf(enrol({ ...options, attributes: { model: 'x'.repeat(257) } }))).toBe('request-invalid')
    expect(await options.store.loadKey()).toBeUndefined()
  })
})

describe('the connection that the root came by', () => {
  /** A way to each of the servers in turn, as somebody in between would have it. */
  const leadTo =
    (...servers: TestProvisioner[]): Dial =>
    () =>
      connectTcp(Number(new URL((servers.length > 1 ? servers.shift() : servers[0])?.url ?? '').port), '127.0.0.1')

  test('carries the claim, where the root vouches for its server', async () => {
    await using server = await startTestProvisioner()
    await enrol(optionsFor(server))
    expect(server.connections).toBe(1)
  })

  test('by address as well', async () => {
    await using server = await startTestProvisioner()
    await enrol({ ...optionsFor(server), url: server.url.replace('localhost', '127.0.0.1') })
    expect(server.connections).toBe(1)
  })

  test('is left, where the server ends it', async () => {
    await using server = await startTestProvisioner()
    server.script.bootstrap.push(answerAndClose)
    const onRetry = vi.fn()
    await enrol({ ...optionsFor(server), onRetry })
    expect([server.connections, onRetry.mock.calls.length]).toEqual([2, 0])
  })

  test('is left after a failure: the next attempt has one that OpenSSL judges', async () => {
    await using server = await startTestProvisioner()
    server.script.enrol.push(({ reply }) => reply(503, problem('unavailable', 503)))
    await enrol(optionsFor(server))
    expect(server.connections).toBe(2)
  })

  test.each<[string, TestProvisionerOptions]>([
    ['a certificate of another root', {}],
    ['a certificate for another host', { hosts: ['elsewhere.example'] }],
    ["a device's certificate with the server's name", { playedBy: 'localhost' }],
    ['a certificate that has ended', { serverAt: new Date(Date.now() - 91 * 86_400_000) }],
  ])('hears nothing of the claim, where somebody in between has the right root and %s', async (what, options) => {
    await using server = await startTestProvisioner()
    const serverCa = what.includes('another root') ? stranger : server.ca
    await using between = await startTestProvisioner({ ...options, ca: server.ca, serverCa })
    const store = memoryStore()
    // The first connection leads to them; on the second, the server is there.
    await enrol({ ...optionsFor(server), claim: server.claim, store, dial: leadTo(between, server) })
    expect(between.bodies).toEqual([''])
    expect(server.connections).toBe(1)
    // Where they are in every connection, the device stays as it is.
    const codes: string[] = []
    const ending = new AbortController()
    const onRetry = ({ error }: Retry) => {
      codes.push(error.code)
      ending.abort()
    }
    const surrounded = { ...optionsFor(server), dial: leadTo(between), onRetry, signal: ending.signal }
    codes.push(...[await codeOf(enrol(surrounded))].filter((code) => typeof code === 'string'))
    expect(codes).toEqual([what.includes('ended') ? 'certificate-expired' : 'certificate-untrusted'])
    expect(between.bodies).toEqual(['', ''])
  })
})

describe('is safe from', () => {
  const claimWasSent = (server: TestProvisioner) =>
    server.bodies.some((body) => body.includes(server.claim.slice(8, 60)))

  test('a server with another root', async () => {
    await using impostor = await startTestProvisioner({ ca: stranger })
    await using server = await startTestProvisioner()
    expect(await codeOf(enrol({ ...optionsFor(server), url: impostor.url }))).toBe('certificate-untrusted')
    expect(impostor.bodies).toEqual([''])
  })

  test('a server that hands out the right root and has a certificate of another', async () => {
    await using server = await startTestProvisioner({ serverCa: stranger })
    expect(await codeOf(enrol(optionsFor(server)))).toBe('certificate-untrusted')
    expect(claimWasSent(server)).toBe(false)
  })

  test('a server whose certificate is for another host', async () => {
    await using server = await startTestProvisioner({ hosts: ['elsewhere.example'] })
    expect(await codeOf(enrol(optionsFor(server)))).toBe('certificate-untrusted')
    expect(claimWasSent(server)).toBe(false)
  })

  test('a device of the fleet that is named like the server', async () => {
    await using server = await startTestProvisioner({ playedBy: 'localhost' })
    expect(await codeOf(enrol(optionsFor(server)))).toBe('certificate-untrusted')
    expect(claimWasSent(server)).toBe(false)
  })

  test('a root whose fingerprint differs in one digit', async () => {
    await using server = await startTestProvisioner()
    const claim = server.claim.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'))
    expect(await codeOf(enrol({ ...optionsFor(server), claim }))).toBe('certificate-untrusted')
  })

  test('roots that are none', async () => {
    await using server = await startTestProvisioner()
    const body = { roots: '-----BEGIN', rootFingerprint: '', serverTime: new Date().toISOString() }
    server.script.bootstrap.push(({ reply }) => reply(200, body))
    expect(await codeOf(enrol(optionsFor(server)))).toBe('certificate-untrusted')
  })

  const answerWith =
    (
      change: (
        server: TestProvisioner,
        good: Awaited<ReturnType<TestProvisioner['issue']>>,
      ) => Promise<object> | object,
    ) =>
    (server: TestProvisioner): Behaviour =>
    async ({ answer, reply }) => {
      const { body } = await answer()
      const good = body as Awaited<ReturnType<TestProvisioner['issue']>>
      reply(201, { ...good, ...(await change(server, good)) })
    }
  const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString()

  test.each([
    [
      'another key',
      answerWith(async ({ ca }) => {
        const { pem } = await ca.issue({ device: 'pump-1' }, await generateKey())
        return { certificate: pem }
      }),
    ],
    ['another CA', answerWith(() => ({ chain: stranger.issuer.certificate.toString() }))],
    ['no issuing CA', answerWith(() => ({ chain: '' }))],
    ['another name', answerWith(() => ({ device: { id: 'pump-2', group: 'default', fleet: 'default' } }))],
    ['another fleet', answerWith(() => ({ device: { id: 'pump-1', group: 'default', fleet: 'other' } }))],
    ['dates that are over, by the clock of the server', answerWith(() => ({ serverTime: inDays(91) }))],
    ['dates to come, by the clock of the server', answerWith(() => ({ serverTime: inDays(-1) }))],
    ['several certificates', answerWith((_, { certificate, chain }) => ({ certificate: certificate + chain }))],
    ['no certificate', answerWith(() => ({ certificate: 'none' }))],
  ])('a certificate with %s', async (_, behave) => {
    await using server = await startTestProvisioner()
    server.script.enrol.push(behave(server))
    const options = optionsFor(server)
    expect(await codeOf(enrol(options))).toBe('certificate-untrusted')
    expect(await options.store.loadEnrolment()).toBeUndefined()
    server.script.enrol.push(wellBehaved)
    await expect(enrol(options), 'and the next attempt is not spoilt').resolves.toBeDefined()
  })

  test('two first boots at once on one store: one key', async () => {
    await using server = await startTestProvisioner()
    const options = optionsFor(server)
    const [one, two] = await Promise.all([enrol(options), enrol(options)])
    expect(one).toEqual(two)
    expect(server.keys.size).toBe(1)
  })

  test('errors that tell the claim', async () => {
    await using server = await startTestProvisioner()
    server.script.enrol.push(({ reply }) => reply(400, problem('claim-invalid', 400)))
    const error = await enrol(optionsFor(server)).catch((thrown: Error) => thrown)
    const secret = server.claim.split('.')[2] ?? ''
    expect(secret).toHaveLength(43)
    expect(JSON.stringify(error) + String(error)).not.toContain(secret)
  })
})
