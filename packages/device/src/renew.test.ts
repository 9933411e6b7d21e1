import { MusterError } from '@muster/contracts'
import { certificateFingerprint, generateKey } from '@muster/pki'
import { createTestCa } from '@muster/pki/testing'
import { describe, expect, test } from 'vitest'
import { renew } from './renew.ts'
import type { Retry } from './retry.ts'
import type { DeviceStore } from './store/device-store.ts'
import { memoryStore } from './store/memory-store.ts'
import { enrolled } from './testing/enrolled-device.ts'
import { type Behaviour, problem, startTestProvisioner, type TestProvisioner } from './testing/provisioner.ts'
import { serialOf } from './testing/registry.ts'

const quick = { minMs: 1, maxMs: 5 }
const codeOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'renewed',
    (error: unknown) => (error instanceof MusterError ? error.code : error),
  )
const currentOf = async (store: DeviceStore) => (await store.loadEnrolment())?.enrolment
const nextOf = async (store: DeviceStore) => (await store.loadNext())?.enrolment
const lost: Behaviour = async ({ answer, response }) => {
  await answer()
  response.destroy()
}

describe('works', () => {
  test('with the same key: the next certificate is beside the current one', async () => {
    await using device = await enrolled()
    const { store, enrolment } = device
    const renewal = await renew({ store })
    expect(renewal.by).toBe('https')
    expect(await currentOf(store)).toEqual(enrolment)
    expect(await nextOf(store)).toEqual(renewal.enrolment)
    expect(await store.loadNextKey()).toBeUndefined()
    expect(device.server.registry.states.get(serialOf(enrolment))).toBe('active')
  })

  test.each(['p256', 'ed25519', 'rsa2048'] as const)('with a new key of kind %s', async (keyAlgorithm) => {
    await using device = await enrolled()
    const { store } = device
    const key = await store.loadKey()
    await renew({ store, newKey: true, keyAlgorithm })
    expect(await store.loadKey()).toBe(key)
    const nextKey = await store.loadNextKey()
    expect(nextKey && key?.equals(nextKey)).toBe(false)
  })

  test('the device tells its clock and the roots it trusts; the key is not told', async () => {
    await using device = await enrolled()
    await renew({ store: device.store, newKey: true })
    const body = JSON.parse(device.server.bodies.at(-1) ?? '')
    expect(body.roots).toEqual([certificateFingerprint(device.server.ca.root.raw)])
    expect(Math.abs(Date.parse(body.deviceTime) - Date.now())).toBeLessThan(60_000)
    expect(device.server.bodies.join()).not.toContain('PRIVATE')
  })

  test('a renewal that nobody has taken note of is completed by the next one', async () => {
    await using device = await enrolled()
    const { store, server } = device
    const first = await renew({ store })
    const second = await renew({ store })
    expect(await currentOf(store)).toEqual(first.enrolment)
    expect(await nextOf(store)).toEqual(second.enrolment)
    expect(server.registry.states.get(serialOf(first.enrolment))).toBe('active')
  })

  test('an answer that is lost costs a round; the certificate is the same', async () => {
    await using device = await enrolled()
    const { store, server } = device
    server.script.renew.push(lost)
    const retries: Retry[] = []
    const { enrolment } = await renew({ store, newKey: true, ...quick, onRetry: (retry) => retries.push(retry) })
    expect(retries).toHaveLength(1)
    expect(server.registry.states.get(serialOf(enrolment))).toBe('pending')
    expect([...server.registry.states.values()].sort()).toEqual(['active', 'pending'])
  })

  test('a new key whose answer was lost is used again by another process, whatever that asks for', async () => {
    await using device = await enrolled()
    const { store, server } = device
    const dying = new AbortController()
    server.script.renew.push(async (exchange) => {
      await exchange.answer()
      dying.abort()
    })
    await expect(renew({ store, newKey: true, signal: dying.signal })).rejects.toThrow()
    const key = await store.loadNextKey()
    await renew({ store })
    expect(await store.loadNextKey()).toBe(key)
    expect([...server.registry.states.values()].sort()).toEqual(['active', 'pending'])
  })
})

describe('a next certificate that the provisioner does not want', () => {
  test('is given up for another', async () => {
    await using device = await enrolled()
    const { store, server } = device
    const first = await renew({ store, newKey: true })
    server.registry.states.set(serialOf(first.enrolment), 'superseded')
    const second = await renew({ store })
    expect(await nextOf(store)).toEqual(second.enrolment)
    expect(serialOf(second.enrolment)).not.toBe(serialOf(first.enrolment))
    expect(await store.loadNextKey()).toBeUndefined()
  })

  test('is kept while the device is suspended', async () => {
    await using device = await enrolled()
    const { store, server } = device
    const first = await renew({ store })
    server.script.renewal.push(({ reply }) => reply(403, problem('device-suspended', 403)))
    expect(await codeOf(renew({ store }))).toBe('device-suspended')
    expect(await nextOf(store)).toEqual(first.enrolment)
  })
})

describe('rejects', () => {
  test.each(['certificate-superseded', 'device-revoked', 'certificate-expired'] as const)(
    '%s at once, and keeps what there is',
    async (code) => {
      await using device = await enrolled()
      device.server.script.renew.push(({ reply }) => reply(403, problem(code, 403)))
      expect(await codeOf(renew({ store: device.store }))).toBe(code)
      expect(await currentOf(device.store)).toEqual(device.enrolment)
      expect(await nextOf(device.store)).toBeUndefined()
    },
  )

  test('a new key that is refused is not tried again', async () => {
    await using device = await enrolled()
    const { store, server } = device
    server.script.renew.push(({ reply }) => reply(409, problem('key-in-use', 409)))
    expect(await codeOf(renew({ store, newKey: true }))).toBe('key-in-use')
    expect(await store.loadNextKey()).toBeUndefined()
    await expect(renew({ store, newKey: true })).resolves.toBeDefined()
  })

  test('before enrolment', async () => {
    expect(await codeOf(renew({ store: memoryStore() }))).toBe('certificate-missing')
  })
})

describe('is safe from', () => {
  test.each([
    [
      'a certificate for another key',
      async (server: TestProvisioner) => server.ca.issue({ device: 'pump-1' }, await generateKey()),
    ],
    [
      'a certificate of another CA',
      async () => (await createTestCa()).issue({ device: 'pump-1' }, await generateKey()),
    ],
  ])('%s', async (_, issue) => {
    await using device = await enrolled()
    const { pem } = await issue(device.server)
    device.server.script.renew.push(async ({ answer, reply }) => {
      const { body } = await answer()
      reply(201, { ...(body as object), certificate: pem })
    })
    expect(await codeOf(renew({ store: device.store }))).toBe('certificate-untrusted')
    expect(await nextOf(device.store)).toBeUndefined()
  })

  test('a server that another root vouches for', async () => {
    await using device = await enrolled()
    await using impostor = await startTestProvisioner({ ca: await createTestCa() })
    const stored = await device.store.loadEnrolment()
    if (stored) await device.store.saveEnrolment({ ...stored, url: impostor.url })
    expect(await codeOf(renew({ store: device.store }))).toBe('certificate-untrusted')
    expect(impostor.bodies).toEqual([])
  })
})

describe('roots that are handed out', () => {
  test('are trusted with the next certificate, beside the old one that it still leads to, and confirmed', async () => {
    await using device = await enrolled()
    const { store, server } = device
    const newRoot = (await createTestCa()).root.toString()
    server.roots = newRoot
    await renew({ store })
    expect((await store.loadNext())?.roots).toBe(newRoot + server.ca.root.toString())
    expect((await store.loadEnrolment())?.roots).toBe(server.ca.root.toString())
    await renew({ store })
    expect(JSON.parse(server.bodies.at(-1) ?? '').roots).toHaveLength(2)
  })

  test('take the place of one that nothing leads to any more', async () => {
    await using device = await enrolled()
    const { store, server } = device
    server.roots = (await createTestCa()).root.toString()
    await renew({ store })
    server.roots = server.ca.root.toString()
    await renew({ store })
    expect((await store.loadNext())?.roots).toBe(server.ca.root.toString())
  })

  test.each([
    ['an issuing CA', ({ ca }: TestProvisioner) => ca.issuer.certificate.toString()],
    ['nothing', () => ''],
    ['nine', ({ ca }: TestProvisioner) => ca.root.toString().repeat(9)],
  ])('that are %s are refused', async (_, roots) => {
    await using device = await enrolled()
    device.server.roots = roots(device.server)
    expect(await codeOf(renew({ store: device.store }))).toBe('certificate-untrusted')
    expect(await nextOf(device.store)).toBeUndefined()
  })
})
