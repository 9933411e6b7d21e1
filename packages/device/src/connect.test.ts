import { connect as connectTcp, type Socket } from 'node:net'
import { MusterError } from '@muster/contracts'
import { createCsr, readCsr } from '@muster/pki'
import { createTestCa, poolKey, type TestCa } from '@muster/pki/testing'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { connect } from './connect.ts'
import type { DeviceStore } from './store/device-store.ts'
import { loadCredentials } from './store/load-credentials.ts'
import { memoryStore } from './store/memory-store.ts'
import { startTestBroker, type TestBroker } from './testing/broker.ts'
import { enrolledWithBroker } from './testing/enrolled-device.ts'
import { issueEnrolment } from './testing/provisioner.ts'
import { serialOf } from './testing/registry.ts'
import type { Dial } from './trust/dial.ts'

let ca: TestCa
let broker: TestBroker
beforeAll(async () => {
  ca = await createTestCa()
  broker = await startTestBroker(ca)
})
afterAll(() => broker[Symbol.asyncDispose]())

async function enrolledStore(url = broker.url, root = ca.root.toString()) {
  const store = memoryStore()
  const key = await store.addKey(await poolKey())
  const enrolment = await issueEnrolment(ca, readCsr(createCsr(key)).spki, 'pump-1', url)
  await store.saveEnrolment({ version: 1, url: 'https://localhost', roots: root, enrolment })
  return store
}
const fast = { maxReconnectMs: 20 }

describe('works', () => {
  test.each([5, 4] as const)(
    'MQTT protocol level %i, by the name and with the certificate of the device',
    async (protocolVersion) => {
      const client = await connect({ store: await enrolledStore(), protocolVersion })
      const connection = broker.connections.at(-1)
      expect(connection?.connect).toMatchObject({ clientId: 'pump-1', protocolVersion, clean: true })
      expect(connection?.socket.getPeerCertificate().subject.CN).toBe('pump-1')
      await client.publishAsync('fleets/default/devices/pump-1/telemetry/x', '1', { qos: 1 })
      expect(broker.published.at(-1)?.topic).toBe('fleets/default/devices/pump-1/telemetry/x')
      await client.endAsync()
    },
  )

  test('with the certificate alone, and with its chain where the broker does not know its CA', async () => {
    await using stranger = await startTestBroker(ca, undefined, { knowsIssuers: false })
    const bytesTo = async ({ url }: TestBroker) => {
      const sockets: Socket[] = []
      const dial: Dial = ({ host, port }) => {
        const socket = connectTcp(port, host)
        sockets.push(socket)
        return socket
      }
      const client = await connect({ store: await enrolledStore(url), dial, ...fast })
      const bytes = sockets.map(({ bytesWritten }) => bytesWritten)
      await client.endAsync()
      return bytes
    }
    const chain = ca.issuer.chain.reduce((sum, { raw }) => sum + raw.length, 0)
    const [alone = 0, ...more] = await bytesTo(broker)
    const [refused = 0, withChain = 0] = await bytesTo(stranger)
    expect(more).toEqual([])
    expect(refused).toBeLessThan(alone + chain / 2)
    expect(withChain).toBeGreaterThan(alone + chain / 2)
  })

  test('session options reach the broker', async () => {
    const properties = { sessionExpiryInterval: 3_600 }
    const client = await connect({ store: await enrolledStore(), clean: false, properties })
    expect(broker.connections.at(-1)?.connect).toMatchObject({ clean: false, properties })
    await client.endAsync()
  })

  test('what waited in the session, and comes right behind the CONNACK, is heard', async () => {
    const heard: string[] = []
    broker.waiting.push({ topic: 'commands/do', payload: 'while away' })
    const onMessage = (topic: string, payload: Buffer) => heard.push(`${topic}: ${payload}`)
    const client = await connect({ store: await enrolledStore(), clean: false, onMessage })
    await vi.waitFor(() => expect(heard).toEqual(['commands/do: while away']))
    await client.endAsync()
  })

  test('a lost connection is made again, with a resumed TLS session, and what was not acknowledged is sent again', async () => {
    const client = await connect({ store: await enrolledStore(), ...fast })
    const first = broker.connections.at(-1)
    const before = broker.connections.length
    const published = client.publishAsync('t', 'lost', { qos: 1 })
    first?.socket.destroy()
    await published
    expect(broker.connections.length).toBeGreaterThan(before)
    expect(broker.connections.at(-1)?.resumed).toBe(true)
    expect(broker.published.at(-1)?.payload.toString()).toBe('lost')
    await client.endAsync()
  })

  test('what is sent again says so, what waited for the connection does not', async () => {
    const client = await connect({ store: await enrolledStore(), ...fast })
    const first = broker.connections.at(-1)
    first?.socket.pause()
    const again = client.publishAsync('t', 'again', { qos: 1 })
    first?.socket.destroy()
    await new Promise<void>((resolve) => client.once('close', () => resolve()))
    const late = client.publishAsync('t', 'late', { qos: 1 })
    await Promise.all([again, late])
    const found = broker.published.slice(-2).map(({ payload, dup }) => ({ payload: String(payload), dup }))
    expect(found.toSorted((a, b) => (a.payload < b.payload ? -1 : 1))).toEqual([
      { payload: 'again', dup: true },
      { payload: 'late', dup: false },
    ])
    await client.endAsync()
  })

  test('sent away by a broker that cannot store now (0x89), it comes back soon, with what was not acknowledged', async () => {
    const client = await connect({ store: await enrolledStore(), ...fast })
    const first = broker.connections.at(-1)
    first?.socket.pause()
    const published = client.publishAsync('t', 'held', { qos: 1 })
    first?.send({ cmd: 'disconnect', reasonCode: 0x89, properties: { reasonString: 'unavailable: not now' } })
    first?.socket.destroySoon()
    await published
    expect(broker.published.at(-1)?.payload.toString()).toBe('held')
    await client.endAsync()
  })

  test('a first connection is tried until the broker is well', async () => {
    broker.script.push('drop', 0x88, 'drop')
    const client = await connect({ store: await enrolledStore(), ...fast })
    expect(broker.script).toEqual([])
    await client.endAsync()
  })

  test('a refusal later on does not end the client, it comes back after the longer pause', async () => {
    const client = await connect({ store: await enrolledStore(), ...fast, refusedRetryMs: 30 })
    broker.script.push(0x87, 0x87)
    broker.connections.at(-1)?.socket.destroy()
    await new Promise<void>((resolve) => client.once('connect', () => resolve()))
    expect(broker.script).toEqual([])
    await client.endAsync()
  })
})

describe('with a renewed certificate in the store', () => {
  async function renewedStore(roots?: string) {
    const store = await enrolledStore()
    const stored = await store.loadEnrolment()
    const key = await store.addNextKey(await poolKey('p256', 1))
    const enrolment = await issueEnrolment(ca, readCsr(createCsr(key)).spki, 'pump-1', broker.url)
    if (stored) await store.saveNext({ ...stored, enrolment, roots: roots ?? stored.roots })
    return { store, old: serialOf(stored?.enrolment ?? enrolment), renewed: serialOf(enrolment) }
  }
  const currentOf = async (store: DeviceStore) => serialOf((await loadCredentials(store)).enrolment)
  afterEach(() => {
    broker.judge = () => 0
  })

  test('that is presented, and once admitted is the current one', async () => {
    const { store, renewed } = await renewedStore()
    const client = await connect({ store, ...fast })
    expect(broker.connections.at(-1)?.serial).toBe(renewed)
    expect(await currentOf(store)).toBe(renewed)
    expect(await store.loadNextKey()).toBeUndefined()
    await client.endAsync()
  })

  test.each([5, 4] as const)('that is refused (level %i), the old one is', async (protocolVersion) => {
    const { store, old, renewed } = await renewedStore()
    broker.judge = ({ serialNumber }) => (serialNumber.toLowerCase() === old ? 0 : protocolVersion === 5 ? 0x87 : 5)
    const client = await connect({ store, ...fast, protocolVersion })
    expect(broker.connections.slice(-2).map(({ serial }) => serial)).toEqual([renewed, old])
    expect(await currentOf(store)).toBe(old)
    expect(await store.loadNext()).toBeDefined()
    await client.endAsync()
  })

  test('whose roots do not vouch for the broker, the old one is', async () => {
    const { store, old } = await renewedStore((await createTestCa()).root.toString())
    const client = await connect({ store, ...fast })
    expect(broker.connections.at(-1)?.serial).toBe(old)
    await client.endAsync()
  })

  test('both of which are refused, it rejects', async () => {
    const { store } = await renewedStore()
    const before = broker.connections.length
    broker.judge = () => 0x87
    await expect(connect({ store, ...fast })).rejects.toMatchObject({ code: 'forbidden' })
    expect(broker.connections.length).toBe(before + 2)
  })
})

describe('rejects', () => {
  test.each([
    [5, 0x87],
    [5, 0x85],
    [5, 0x8a],
    [4, 5],
    [4, 2],
  ] as const)('level %i: the broker refuses with %i', async (protocolVersion, code) => {
    broker.script.push(code)
    const before = broker.connections.length
    const attempt = connect({ store: await enrolledStore(), protocolVersion, ...fast })
    await expect(attempt).rejects.toMatchObject({ code: 'forbidden' })
    expect(broker.connections.length).toBe(before + 1)
  })

  test('before enrolment', async () => {
    await expect(connect({ store: memoryStore() })).rejects.toMatchObject({ code: 'certificate-missing' })
  })

  test.each(['mqtt://localhost:1883', 'ws://localhost', 'localhost'])('a broker at %s', async (url) => {
    await expect(connect({ store: await enrolledStore(url) })).rejects.toMatchObject({ code: 'request-invalid' })
  })

  test('when the signal ends it while the store is being read', async () => {
    const ending = new AbortController()
    const reason = new Error('the device is switched off')
    const attempt = connect({ store: await enrolledStore(), ...fast, signal: ending.signal })
    ending.abort(reason)
    await expect(attempt).rejects.toBe(reason)
  })

  test('when the signal ends it', async () => {
    const reason = new Error('enough')
    broker.script.push(...Array(1_000).fill('drop'))
    const ending = new AbortController()
    const attempt = connect({ store: await enrolledStore(), ...fast, signal: ending.signal })
    void vi.waitFor(() => expect(broker.script.length).toBeLessThan(998)).then(() => ending.abort(reason))
    await expect(attempt).rejects.toBe(reason)
    broker.script.length = 0
  })
})

describe('a broker that only hangs up', () => {
  const questions = ({ server }: Awaited<ReturnType<typeof enrolledWithBroker>>) => {
    const { registry } = server
    const use = registry.use
    const asked: string[] = []
    registry.use = (serial) => {
      asked.push(serial)
      return use(serial)
    }
    return asked
  }

  test('does so for a reason that the provisioner knows', async () => {
    await using device = await enrolledWithBroker()
    device.server.registry.states.set(serialOf(device.enrolment), 'revoked')
    device.broker.script.push(...Array(100).fill('drop'))
    await expect(connect({ store: device.store, ...fast })).rejects.toMatchObject({ code: 'certificate-revoked' })
    expect(device.broker.script.length).toBeGreaterThan(90)
  })

  test('does so for one that is told later on, and the longer pause begins', async () => {
    await using device = await enrolledWithBroker()
    const client = await connect({ store: device.store, ...fast, refusedRetryMs: 30 })
    device.server.registry.states.set(serialOf(device.enrolment), 'revoked')
    const told = new Promise<Error>((resolve) =>
      client.on('error', (error) => error instanceof MusterError && resolve(error)),
    )
    device.broker.script.push(...Array(100).fill('drop'))
    device.broker.connections.at(-1)?.socket.destroy()
    expect(await told).toMatchObject({ code: 'certificate-revoked' })
    device.server.registry.states.set(serialOf(device.enrolment), 'active')
    device.broker.script.length = 0
    await new Promise<void>((resolve) => client.once('connect', () => resolve()))
    await client.endAsync()
  })

  test('and of which the provisioner knows nothing is tried again', async () => {
    await using device = await enrolledWithBroker()
    const asked = questions(device)
    device.broker.script.push(...Array(7).fill('drop'))
    const client = await connect({ store: device.store, ...fast })
    expect(device.broker.script).toEqual([])
    // The eighth attempt is the broker's own question.
    await vi.waitFor(() => expect(asked.length).toBeGreaterThanOrEqual(2))
    expect(asked.length).toBeLessThanOrEqual(3)
    await client.endAsync()
  })

  test('with an answer in between, nobody else is asked', async () => {
    await using device = await enrolledWithBroker()
    const asked = questions(device)
    device.broker.script.push('drop', 'drop', 0x88, 'drop', 'drop')
    const client = await connect({ store: device.store, ...fast })
    expect(device.broker.script).toEqual([])
    expect(asked).toHaveLength(1)
    await client.endAsync()
  })
})

describe('is safe from', () => {
  test('a broker of another root, whatever options ask for', async () => {
    await using stranger = await startTestBroker(await createTestCa())
    const store = await enrolledStore(stranger.url)
    const lax = { rejectUnauthorized: false }
    await expect(connect({ store, ...fast, ...lax })).rejects.toMatchObject({ code: 'certificate-untrusted' })
    expect(stranger.connections).toEqual([])
  })

  test('a broker whose certificate is for another host', async () => {
    await using other = await startTestBroker(ca, ['elsewhere.example'])
    const store = await enrolledStore(other.url)
    await expect(connect({ store, ...fast })).rejects.toMatchObject({ code: 'certificate-untrusted' })
    expect(other.connections).toEqual([])
  })
})
