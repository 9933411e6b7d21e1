import { expect, test } from 'vitest'
import { startTestProvisioner } from '../testing/provisioner.ts'
import { serverDistrust } from '../trust/server-distrust.ts'
import { send } from './send.ts'
import { TemporaryFailure } from './temporary-failure.ts'

const limits = { trust: undefined, maxBytes: 1_000, timeoutMs: 150, signal: undefined }

test.each([
  ['answers nothing', () => undefined],
  [
    'answers a byte at a time',
    ({ response }: { response: import('node:http').ServerResponse }) => {
      const drip = setInterval(() => response.write('x'), 10)
      response.on('close', () => clearInterval(drip))
    },
  ],
])('a server that %s is left at the deadline', async (_, behaviour) => {
  await using server = await startTestProvisioner()
  server.script.enrol.push(behaviour)
  const startedAt = performance.now()
  const failure = await send({ ...limits, url: new URL('/v1/enrol', server.url), body: {} }).catch((error) => error)
  expect(failure).toBeInstanceOf(TemporaryFailure)
  expect(failure.error.code).toBe('unavailable')
  expect(performance.now() - startedAt).toBeLessThan(20_000)
})

test('a server that never stops answering is left at the limit', async () => {
  await using server = await startTestProvisioner()
  let sent = 0
  server.script.enrol.push(({ response }) => {
    const pour = () => {
      if (response.destroyed) return
      sent += 1_000
      response.write('x'.repeat(1_000), () => setImmediate(pour))
    }
    pour()
  })
  const call = { ...limits, timeoutMs: 10_000, url: new URL('/v1/enrol', server.url), body: {} }
  await expect(send(call)).rejects.toBeInstanceOf(TemporaryFailure)
  expect(sent).toBeLessThan(1_000_000)
})

test('the reason of the signal is what is thrown', async () => {
  await using server = await startTestProvisioner()
  const reason = new Error('enough')
  const ending = new AbortController()
  server.script.enrol.push(() => ending.abort(reason))
  const call = { ...limits, timeoutMs: 10_000, url: new URL('/v1/enrol', server.url), body: {} }
  await expect(send({ ...call, signal: ending.signal })).rejects.toBe(reason)
})

test.each([
  ['CERT_NOT_YET_VALID', 'certificate-not-yet-valid', true],
  ['CERT_HAS_EXPIRED', 'certificate-expired', true],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'certificate-untrusted', false],
  ['INVALID_PURPOSE', 'certificate-untrusted', false],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'certificate-untrusted', false],
])('%s is %s', (code, expected, temporary) => {
  const distrust = serverDistrust(Object.assign(new Error('x'), { code }), 'host')
  expect(distrust instanceof TemporaryFailure).toBe(temporary)
  expect(distrust instanceof TemporaryFailure ? distrust.error.code : distrust?.code).toBe(expected)
})

test('a broken connection is no distrust', () => {
  expect(serverDistrust(Object.assign(new Error('x'), { code: 'ECONNRESET' }), 'host')).toBeUndefined()
})
