import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { rawClient, startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({
    limits: { handshakes: 20, arrivals: 200, openings: 10, handshakeMs: 7_000, detainedOfOne: 4, parkedOfBad: 20 },
  })
})
afterAll(() => muster?.[Symbol.asyncDispose]())

async function openTcp(localAddress: string): Promise<Socket> {
  const socket = connectTcp({ host: '127.0.0.1', port: muster.broker.mqttPort, localAddress })
  socket.on('error', () => {}).resume()
  await Promise.race([once(socket, 'connect').catch(() => {}), new Promise((resolve) => socket.once('close', resolve))])
  return socket
}

function openTls(device: Partial<TestDevice>, localAddress: string): TLSSocket {
  const raw = connectTcp({ host: '127.0.0.1', port: muster.broker.mqttPort, localAddress })
  raw.on('error', () => {})
  const ca = muster.ca.root.toString()
  const own = device.key && device.cert ? { key: device.key, cert: device.cert } : {}
  return connectTls({ socket: raw, servername: 'localhost', ca, ...own }).on('error', () => {})
}

/** One CONNECT from an address: what CONNACK said, or that there was none. */
async function attempt(device: Partial<TestDevice>, localAddress = '127.0.0.1', id = device.id ?? 'nobody') {
  const socket = openTls(device, localAddress)
  const client = rawClient(socket)
  client.connect(id)
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve())
    socket.on('data', () => client.find('connack').length > 0 && resolve())
  })
  const [connack] = client.find('connack')
  socket.destroy()
  return connack?.cmd === 'connack' ? connack.returnCode : 'no answer'
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/metrics`)).text()
  const line = text.split('\n').find((each) => each.startsWith(`${name} `))
  return Number(line?.split(' ')[1] ?? 0)
}
const dropped = (why: string) => metric(`muster_broker_arrivals_dropped_total{why="${why}"}`)

describe('a refused certificate', () => {
  test('is answered, then made to wait, and let in the moment its device is resumed', async () => {
    const device = await muster.addDevice('hammer')
    await muster.receipt(await muster.change(device, 'suspend'))
    const answers = []
    for (let time = 0; time < 4; time++) answers.push(await attempt(device))
    // The fourth has waited for the second that the third had earned it.
    expect(answers).toEqual([5, 5, 5, 5])
    expect(await metric('muster_broker_penalties{of="certificate"}')).toBeGreaterThanOrEqual(1)
    const detained = () => metric('muster_broker_penalties{of="detained"}')
    const crowd = Array.from({ length: 6 }, () => attempt(device))
    // More than it may have waiting: the oldest are cut.
    expect(await Promise.race(crowd)).toBe('no answer')
    await vi.waitFor(async () => expect(await detained()).toBe(4))
    // Each of them is counted, the cut ones too.
    await vi.waitFor(async () => {
      const { rows } = await muster.db.$client.query(
        "select sum(count)::int as n from refusals where device = 'hammer'",
      )
      expect(rows).toEqual([{ n: 6 }])
    }, 5_000)
    await muster.receipt(await muster.change(device, 'resume'))
    expect(await Promise.all(crowd)).toContain(0)
    expect(await detained()).toBe(0)
    expect(await attempt(device)).toBe(0)
  })

  test('has few handshakes when its device does not wait, and those behind its address get in', async () => {
    const device = await muster.addDevice('impatient')
    await muster.receipt(await muster.change(device, 'revoke'))
    const nat = '127.0.6.1'
    let handshakes = 0
    let done = false
    const hammer = async () => {
      while (!done) {
        const socket = openTls(device, nat)
        socket.once('secureConnect', () => {
          handshakes++
          socket.destroy()
        })
        await new Promise((resolve) => socket.once('close', resolve))
      }
    }
    const hammers = Array.from({ length: 10 }, hammer)
    // What an address may waste at once is gone.
    await vi.waitFor(() => expect(handshakes).toBeGreaterThanOrEqual(25), 25_000)
    const before = handshakes
    const begun = performance.now()
    for (let round = 0; round < 3; round++)
      expect(await attempt(await muster.addDevice(`patient-${round}`), nat)).toBe(0)
    const seconds = (performance.now() - begun) / 1_000
    done = true
    await Promise.all(hammers)
    // Of ten that are always there: five a second come through, and half of what was left of the allowance.
    expect(handshakes - before).toBeLessThan(35 + 8 * seconds)
  }, 60_000)
})

describe('an address', () => {
  test('that brings nothing but handshakes without a certificate is not heard any more; others are', async () => {
    const from = '127.0.8.1'
    const before = await dropped('address-shut')
    const crowd: TLSSocket[] = []
    await vi.waitFor(
      async () => {
        const open = crowd.filter((socket) => !socket.resume().destroyed)
        if (open.length < 80) crowd.push(...Array.from({ length: 20 }, () => openTls({}, from)))
        expect(await dropped('address-shut')).toBeGreaterThan(before)
      },
      { timeout: 20_000, interval: 50 },
    )
    expect(await attempt(await muster.addDevice('elsewhere'), '127.0.8.2')).toBe(0)
    // Not heard is not shut out for ever: whoever is honest and tries again comes in between.
    for (const socket of crowd) socket.destroy()
    const honest = await muster.addDevice('unlucky')
    await vi.waitFor(async () => expect(await attempt(honest, from)).toBe(0), { timeout: 20_000, interval: 120 })
  }, 60_000)
})

describe('connections that lead nowhere', () => {
  test('beyond their number are dropped, of whoever has the most', async () => {
    const before = await dropped('crowded-out')
    const few = await Promise.all(Array.from({ length: 3 }, () => openTcp('127.0.9.1')))
    const many = await Promise.all(Array.from({ length: 400 }, () => openTcp('127.0.9.2')))
    await vi.waitFor(async () => expect((await dropped('crowded-out')) - before).toBeGreaterThanOrEqual(203))
    expect(few.filter((socket) => socket.destroyed)).toEqual([])
    expect(await attempt(await muster.addDevice('between-many'))).toBe(0)
    for (const socket of [...few, ...many]) socket.destroy()
  })

  test('that let their handshake hang make room for those that wait', async () => {
    const device = await muster.addDevice('waits')
    // A whole ClientHello, and nothing after it: what follows is never read.
    const hanging = Array.from({ length: 40 }, (_, index) => {
      const raw = connectTcp({ host: '127.0.0.1', port: muster.broker.mqttPort, localAddress: `127.0.10.${index + 1}` })
      raw.on('error', () => {})
      const socket = connectTls({ socket: raw, servername: 'localhost', ca: muster.ca.root.toString() })
      socket.on('error', () => {})
      raw.once('connect', () => setImmediate(() => raw.pause()))
      return raw
    })
    await vi.waitFor(async () =>
      expect(await metric('muster_broker_arrivals{stage="handshake"}')).toBeGreaterThanOrEqual(1),
    )
    expect(await attempt(device)).toBe(0)
    for (const socket of hanging) socket.destroy()
  })

  test.each([
    ['a ClientHello', '16030100c8010000c40303'],
    ['nothing known', ''],
  ])('one byte at a time, %s, end when their time is over', async (_, hello) => {
    const before = await dropped('too-slow')
    const socket = await openTcp('127.0.11.1')
    let ended = false
    socket.once('close', () => {
      ended = true
    })
    const bytes = Buffer.from(hello, 'hex')
    for (let sent = 0; !ended; sent++) {
      if (sent < bytes.length) socket.write(bytes.subarray(sent, sent + 1))
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(await dropped('too-slow')).toBe(before + 1)
  })
})

test('a certificate that only opens connections crowds out itself', async () => {
  const greedy = await muster.addDevice('greedy')
  const sockets = await Promise.all(Array.from({ length: 15 }, () => muster.openTls(greedy)))
  await vi.waitFor(() => expect(sockets.filter((socket) => socket.resume().destroyed)).toHaveLength(5))
  expect(await attempt(await muster.addDevice('modest'))).toBe(0)
  for (const socket of sockets) socket.destroy()
})

test('a storm of reconnects is let in to the last one', async () => {
  const devices = await Promise.all(Array.from({ length: 60 }, (_, index) => muster.addDevice(`storm-${index}`)))
  const answers = await Promise.all(devices.map((device, index) => attempt(device, `127.0.12.${index + 1}`)))
  expect(answers.filter((answer) => answer !== 0)).toEqual([])
})
