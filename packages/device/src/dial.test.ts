import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { Duplex, PassThrough } from 'node:stream'
import type { MusterError } from '@muster/contracts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { connect } from './connect.ts'
import { enrol } from './enrol.ts'
import { keepRenewed, type RenewalEvent } from './keep-renewed.ts'
import { renew } from './renew.ts'
import { memoryStore } from './store/memory-store.ts'
import { startTestBroker, type TestBroker } from './testing/broker.ts'
import { answerAndClose, startTestProvisioner, type TestProvisioner } from './testing/provisioner.ts'
import type { Dial } from './trust/dial.ts'

const quick = { minMs: 1, maxMs: 5 }
// Nothing listens there: what arrives came by way of the dial.
const nowhere = 9

let server: TestProvisioner
let broker: TestBroker
beforeEach(async () => {
  server = await startTestProvisioner()
  broker = await startTestBroker(server.ca)
  return async () => {
    await server[Symbol.asyncDispose]()
    await broker[Symbol.asyncDispose]()
  }
})

const opened: Duplex[] = []
const purposes: string[] = []
afterEach(() => {
  opened.length = 0
  purposes.length = 0
})

/** Leads every connection to port 9 to a real server. */
function dialTo(real: () => string): Dial {
  return ({ host, port, purpose }) => {
    purposes.push(purpose)
    expect({ host, port }).toEqual({ host: 'localhost', port: nowhere })
    const stream = wrap(connectTcp(Number(new URL(real()).port), 'localhost'))
    opened.push(stream)
    return stream
  }
}

/** A stream that is no socket, as that of a modem. */
function wrap(socket: Socket): Duplex {
  const inward = new PassThrough()
  const outward = new PassThrough()
  socket.pipe(inward)
  outward.pipe(socket)
  const stream = Duplex.from({ readable: inward, writable: outward })
  socket.on('error', (error) => stream.destroy(error))
  stream.on('close', () => socket.destroy())
  return stream
}

async function enrolled() {
  const store = memoryStore()
  server.mqttUrl = `mqtts://localhost:${nowhere}`
  const url = `https://localhost:${nowhere}`
  const dial = dialTo(() => server.url)
  await enrol({ url, claim: server.claim, store, device: 'pump-1', dial })
  return { store, dial, broker: dialTo(() => broker.url) }
}

describe('everything is opened by way of dial', () => {
  test('enrolment: the root, then the claim, on one connection', async () => {
    const { store } = await enrolled()
    expect((await store.loadEnrolment())?.enrolment.device.id).toBe('pump-1')
    expect(purposes).toEqual(['bootstrap'])
    await expect.poll(() => opened.every(({ destroyed }) => destroyed)).toBe(true)
  })

  test('the connection to the broker, each time, and it resumes', async () => {
    const { store, broker: dial } = await enrolled()
    const client = await connect({ store, dial })
    await client.publishAsync('fleets/default/devices/pump-1/telemetry/t', 'x'.repeat(100_000), { qos: 1 })
    opened.at(-1)?.destroy()
    await expect.poll(() => broker.connections, { timeout: 5_000 }).toHaveLength(2)
    await expect.poll(() => client.connected).toBe(true)
    expect(purposes.slice(1)).toEqual(['mqtt', 'mqtt'])
    expect(broker.connections.map(({ resumed }) => resumed)).toEqual([false, true])
    await client.endAsync()
  })

  test('renewal, and what follows it', async () => {
    const { store, dial } = await enrolled()
    server.window = { start: new Date(0), end: new Date(1) }
    const { promise, resolve } = Promise.withResolvers<RenewalEvent>()
    const onEvent = (event: RenewalEvent) => event.type === 'admitted' && resolve(event)
    await using _ = keepRenewed({ store, dial, onEvent, ...quick })
    await promise
    // The last one tells that the certificate has arrived.
    expect(purposes.slice(1, 4)).toEqual(['window', 'renew', 'window'])
  })

  test('renewal over the broker, where the provisioner is not there', async () => {
    const { store } = await enrolled()
    broker.relay = server.renewByProof
    const toBroker = dialTo(() => broker.url)
    let asked = 0
    server.mqttUrl = 'mqtts://localhost:9'
    const dial: Dial = (target) => {
      asked += 1
      return asked <= 2 ? new PassThrough().destroy(new Error('no way')) : toBroker(target)
    }
    const { by } = await renew({ store, dial, ...quick })
    expect(by).toBe('mqtt')
  })
})

describe('a dial that fails', () => {
  test('is a failure of the network, and tried again', async () => {
    const codes: string[] = []
    const good = dialTo(() => server.url)
    const dial: Dial = (target) => (codes.length < 2 ? connectTcp(nowhere, 'localhost') : good(target))
    const onRetry = ({ error }: { error: MusterError }) => codes.push(error.code)
    const url = `https://localhost:${nowhere}`
    await enrol({ url, claim: server.claim, store: memoryStore(), device: 'pump-1', dial, onRetry, ...quick })
    expect(codes).toEqual(['unavailable', 'unavailable'])
  })

  test('also where it gives up without a word', async () => {
    const codes: string[] = []
    const good = dialTo(() => server.url)
    // For the root: two in vain, then a good one, which the server ends. For the claim: one in vain, then a good one.
    const outcomes = [false, false, true, false, true]
    server.script.bootstrap.push(answerAndClose)
    const dial: Dial = (target) => {
      if (outcomes.shift()) return good(target)
      const stream = wrap(connectTcp(Number(new URL(server.url).port), 'localhost'))
      setImmediate(() => stream.destroy())
      return stream
    }
    const onRetry = ({ error }: { error: MusterError }) => codes.push(error.code)
    const url = `https://localhost:${nowhere}`
    await enrol({ url, claim: server.claim, store: memoryStore(), device: 'pump-1', dial, onRetry, ...quick })
    expect(codes).toEqual(['unavailable', 'unavailable', 'unavailable'])
  })

  test('also in the middle of the handshake', async () => {
    await using curt = await startCurt()
    const codes: string[] = []
    const good = dialTo(() => server.url)
    const dial: Dial = (target) => {
      if (codes.length > 1) return good(target)
      const socket = connectTcp(curt.port, 'localhost')
      return codes.length === 0 ? socket : wrap(socket)
    }
    const onRetry = ({ error }: { error: MusterError }) => codes.push(error.code)
    const url = `https://localhost:${nowhere}`
    await enrol({ url, claim: server.claim, store: memoryStore(), device: 'pump-1', dial, onRetry, ...quick })
    expect(codes).toEqual(['unavailable', 'unavailable'])
  })

  test('verifies no less: a server of another root is refused', async () => {
    await using impostor = await startTestProvisioner()
    const dial = dialTo(() => impostor.url)
    const url = `https://localhost:${nowhere}`
    const attempt = enrol({ url, claim: server.claim, store: memoryStore(), device: 'pump-1', dial })
    await expect(attempt).rejects.toMatchObject({ code: 'certificate-untrusted' })
    expect(impostor.bodies.filter(Boolean)).toEqual([])
  })
})

/** Leaves whoever says something. */
async function startCurt() {
  const curt = createServer((socket) => socket.once('data', () => socket.destroy()).on('error', () => undefined))
  await new Promise<void>((resolve) => curt.listen(0, 'localhost', resolve))
  const address = curt.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => curt.close(() => resolve())),
  }
}
