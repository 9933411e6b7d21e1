import { MusterError } from '@muster/contracts'
import { createCsr, readCsr } from '@muster/pki'
import { createTestCa, poolKey } from '@muster/pki/testing'
import { describe, expect, test } from 'vitest'
import { connect } from './connect.ts'
import { enrol } from './enrol.ts'
import { renew } from './renew.ts'
import { memoryStore } from './store/memory-store.ts'
import { startTestBroker } from './testing/broker.ts'
import { issueEnrolment, startTestProvisioner } from './testing/provisioner.ts'
import { clockOf } from './trust/device-clock.ts'

const dayMs = 86_400_000
const quick = { minMs: 1, maxMs: 5 }
const codeOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'good',
    (error: unknown) => (error instanceof MusterError ? error.code : String(error)),
  )

/** A platform at another time than this device's clock shows: the dates of all certificates are of that time. */
async function startElsewhen(at: Date) {
  const offset = at.getTime() - Date.now()
  const now = () => new Date(Date.now() + offset)
  const ca = await createTestCa({ now: at })
  const server = await startTestProvisioner({ ca, now })
  const broker = await startTestBroker(ca)
  server.mqttUrl = broker.url
  return {
    ...{ ca, server, broker, now },
    /** A device that got its certificate so long ago. */
    async device(daysAgo: number) {
      const store = memoryStore()
      const key = await store.addKey(await poolKey())
      const made = new Date(at.getTime() - daysAgo * dayMs)
      const enrolment = await issueEnrolment(ca, readCsr(createCsr(key)).spki, 'pump-1', broker.url, { at: made })
      server.registry.add(enrolment, '', 'active')
      await store.saveEnrolment({ version: 1, url: server.url, roots: ca.root.toString(), enrolment })
      return store
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await broker[Symbol.asyncDispose]()
    },
  }
}

const inYears = (years: number) => new Date(Date.now() + years * 365.25 * dayMs)

// The device's clock is the real one here: for a platform 14 years ahead it is far behind, as after a boot in 1970.
describe.each([
  ['far behind', 14],
  ['far ahead', -14],
])('a clock that is %s', (_, years) => {
  test('does not keep a device from renewing and connecting; it learns the time', async () => {
    await using platform = await startElsewhen(inYears(years))
    const store = await platform.device(10)
    const { enrolment, by } = await renew({ store, newKey: true })
    expect(by).toBe('https')
    const client = await connect({ store })
    expect((await store.loadEnrolment())?.enrolment).toEqual(enrolment)
    await client.endAsync()
    const { server, now } = platform
    expect(JSON.parse(server.bodies.at(-1) ?? '').deviceTime.slice(0, 10)).toBe(new Date().toISOString().slice(0, 10))
    expect(Math.abs((await clockOf(store)).now().getTime() - now().getTime())).toBeLessThan(60_000)
  })

  test('does not make a device trust a server of another root, another name or another purpose', async () => {
    await using platform = await startElsewhen(inYears(years))
    const at = platform.now()
    for (const options of [
      { ca: await createTestCa({ now: at }) },
      { ca: platform.ca, hosts: ['elsewhere.example'] },
      { ca: platform.ca, playedBy: 'localhost' },
    ]) {
      await using impostor = await startTestProvisioner(options)
      const store = await platform.device(10)
      const stored = await store.loadEnrolment()
      if (stored) await store.saveEnrolment({ ...stored, url: impostor.url })
      expect(await codeOf(renew({ store }))).toBe('certificate-untrusted')
      expect(impostor.bodies).toEqual([])
    }
  })

  test('does not make it trust a server whose certificate ended before its own began', async () => {
    await using platform = await startElsewhen(inYears(years))
    const before = { now: new Date(platform.now().getTime() - 100 * dayMs) }
    // The certificate of this server lives 90 days from then.
    await using stolen = await startTestProvisioner({ ca: platform.ca, serverAt: before.now })
    const store = await platform.device(2)
    const stored = await store.loadEnrolment()
    if (stored) await store.saveEnrolment({ ...stored, url: stolen.url })
    const codes: string[] = []
    const ending = new AbortController()
    const onRetry = ({ error }: { error: MusterError }) => {
      codes.push(error.code)
      ending.abort()
    }
    await expect(renew({ store, ...quick, signal: ending.signal, onRetry })).rejects.toThrow()
    expect(codes).toEqual(['certificate-expired'])
    expect(stolen.bodies).toEqual([])
  })
})

test('a first boot with a clock before the root was made', async () => {
  await using platform = await startElsewhen(inYears(14))
  const { server } = platform
  const store = memoryStore()
  await enrol({ url: server.url, claim: server.claim, store, device: 'pump-1' })
  await connect({ store }).then((client) => client.endAsync())
})

test('a first boot with a clock after the root has ended', async () => {
  await using platform = await startElsewhen(inYears(-24))
  const { server } = platform
  const store = memoryStore()
  await enrol({ url: server.url, claim: server.claim, store, device: 'pump-1' })
})

test('a clock that nothing contradicts is believed: an expired server is not trusted', async () => {
  await using platform = await startElsewhen(new Date())
  const store = await platform.device(10)
  await using old = await startTestProvisioner({ ca: platform.ca, serverAt: new Date(Date.now() - 91 * dayMs) })
  const stored = await store.loadEnrolment()
  if (stored) await store.saveEnrolment({ ...stored, url: old.url })
  const codes: string[] = []
  const ending = new AbortController()
  const onRetry = ({ error }: { error: MusterError }) => {
    codes.push(error.code)
    ending.abort()
  }
  await expect(renew({ store, ...quick, signal: ending.signal, onRetry })).rejects.toThrow()
  expect(codes).toEqual(['certificate-expired'])
})

test('a server that tells a time beyond its own certificate is not believed', async () => {
  await using platform = await startElsewhen(new Date())
  const store = await platform.device(10)
  platform.server.script.renewal.push(({ reply }) => {
    const later = inYears(14).toISOString()
    reply(200, { window: { start: later, end: later }, serverTime: later })
  })
  await renew({ store })
  await renew({ store })
  expect(Math.abs((await clockOf(store)).now().getTime() - Date.now())).toBeLessThan(60_000)
})

// The platform is at the real time here, and it is the device that has another.
describe.each([
  ['behind: it boots in 1970', 0],
  ['ahead, by 24 years', inYears(24).getTime()],
])('a clock of its own that is far %s', (_, start) => {
  const startedAt = Date.now()
  const now = () => start + Date.now() - startedAt

  test('does not keep a device from enrolling, connecting and renewing; it tells its time and learns the right one', async () => {
    await using platform = await startElsewhen(new Date())
    const { server } = platform
    const store = memoryStore()
    await enrol({ url: server.url, claim: server.claim, store, device: 'pump-1', now })
    await connect({ store, now }).then((client) => client.endAsync())
    await renew({ store, now })
    const { deviceTime } = JSON.parse(server.bodies.at(-1) ?? '')
    expect(Math.abs(Date.parse(deviceTime) - now())).toBeLessThan(60_000)
    expect(Math.abs((await clockOf(store)).now().getTime() - Date.now())).toBeLessThan(60_000)
  })

  test('does not make a device trust a server of another root, another name or another purpose', async () => {
    await using platform = await startElsewhen(new Date())
    for (const options of [
      { ca: await createTestCa() },
      { ca: platform.ca, hosts: ['elsewhere.example'] },
      { ca: platform.ca, playedBy: 'localhost' },
    ]) {
      await using impostor = await startTestProvisioner(options)
      const store = await platform.device(10)
      const stored = await store.loadEnrolment()
      if (stored) await store.saveEnrolment({ ...stored, url: impostor.url })
      expect(await codeOf(renew({ store, now }))).toBe('certificate-untrusted')
      expect(impostor.bodies).toEqual([])
    }
  })
})

describe('a clock of its own that nothing contradicts is believed, whatever that of the process says', () => {
  async function codesOf(platformAt: Date, serverAt: Date, deviceAt: Date) {
    const ca = await createTestCa({ now: platformAt })
    const offset = deviceAt.getTime() - Date.now()
    const now = () => Date.now() + offset
    await using server = await startTestProvisioner({ ca, serverAt, now: () => new Date(now()) })
    const codes: string[] = []
    const ending = new AbortController()
    const onRetry = ({ error }: { error: MusterError }) => {
      codes.push(error.code)
      ending.abort()
    }
    const options = { url: server.url, claim: server.claim, store: memoryStore(), device: 'pump-1' }
    await enrol({ ...options, ...quick, now, onRetry, signal: ending.signal }).catch(() => undefined)
    return codes
  }

  test('a server that has ended by it is not trusted', async () => {
    const today = new Date()
    expect(await codesOf(today, today, new Date(today.getTime() + 91 * dayMs))).toEqual(['certificate-expired'])
  })

  test('one that has not begun by it is: it proves that the clock is behind', async () => {
    const before = new Date(Date.now() - 10 * dayMs)
    const yesterday = new Date(Date.now() - dayMs)
    expect(await codesOf(before, new Date(), yesterday)).toEqual([])
  })

  test('but not if by then it had ended for certain', async () => {
    const yearMs = 365 * dayMs
    const [root, server] = [new Date(Date.now() - 2 * yearMs), new Date(Date.now() - yearMs)]
    // The device knows from its own certificate that the server's has ended; its clock stands still before both.
    const ca = await createTestCa({ now: root })
    await using old = await startTestProvisioner({ ca, serverAt: server })
    const store = memoryStore()
    const key = await store.addKey(await poolKey())
    const made = { at: new Date(Date.now() - 10 * dayMs) }
    const enrolment = await issueEnrolment(ca, readCsr(createCsr(key)).spki, 'pump-1', 'mqtts://localhost:9', made)
    await store.saveEnrolment({ version: 1, url: old.url, roots: ca.root.toString(), enrolment })
    const codes: string[] = []
    const ending = new AbortController()
    const onRetry = ({ error }: { error: MusterError }) => {
      codes.push(error.code)
      ending.abort()
    }
    const now = () => server.getTime() - 10 * dayMs
    await expect(renew({ store, now, ...quick, onRetry, signal: ending.signal })).rejects.toThrow()
    expect(codes).toEqual(['certificate-expired'])
    expect(old.bodies).toEqual([])
  })

  test('one that is valid by it is, although it has ended by the clock of the process', async () => {
    const then = new Date(Date.now() - 200 * dayMs)
    expect(await codesOf(then, then, then)).toEqual([])
  })
})

test('a first boot with a clock hours behind, soon after the server has got another certificate', async () => {
  // The clock is that of the process here: for a platform 14 days ahead, with a root of before.
  const ca = await createTestCa({ now: new Date(Date.now() - 30 * dayMs) })
  const at = new Date(Date.now() + 14 * dayMs)
  const now = () => new Date(Date.now() + 14 * dayMs)
  await using server = await startTestProvisioner({ ca, serverAt: at, now })
  const store = memoryStore()
  const codes: string[] = []
  const onRetry = ({ error }: { error: MusterError }) => codes.push(error.code)
  await enrol({ url: server.url, claim: server.claim, store, device: 'pump-1', ...quick, onRetry })
  expect(codes).toEqual([])
  expect(Math.abs((await clockOf(store)).now().getTime() - now().getTime())).toBeLessThan(60_000)
})
