import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { createTestCa, poolKey } from '@muster/pki/testing'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createRandom } from '../random.ts'
import type { Network } from '../scenario/device-class.ts'
import { createNetwork } from './dial.ts'
import type { Line } from './line.ts'

type Serve = (socket: TLSSocket) => void

let ca: string
let port: number
const echo: Serve = (socket) => socket.pipe(socket)
let serve: Serve = echo
const sockets = new Set<TLSSocket>()
const ending = new AbortController()

const server = createServer((socket) => {
  sockets.add(socket.on('error', () => undefined))
  socket.on('close', () => sockets.delete(socket))
  serve(socket)
})
beforeAll(async () => {
  const authority = await createTestCa()
  const key = await poolKey('p256', 902)
  const identity = { fleet: 'muster', group: 'brokers', device: 'echo', profile: 'server' } as const
  const certificate = await authority.issue(identity, key, { hosts: ['localhost'] })
  const chain = [certificate.pem, ...authority.issuer.chain.map((issuer) => issuer.toString())]
  server.setSecureContext({ key: key.export({ type: 'pkcs8', format: 'pem' }), cert: chain.join('') })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  ca = authority.root.toString()
  port = (server.address() as AddressInfo).port
})
afterAll(() => {
  ending.abort()
  server.close()
})

let dialled = 0
/** TLS over a line with these conditions. */
function open(network: Network, behaviour = echo) {
  serve = behaviour
  dialled += 1
  const device = createNetwork({ network, seed: [1, 'device', dialled], signal: ending.signal })
  const line = device.dial({ host: 'localhost', port, purpose: 'mqtt' })
  const socket = connect({ socket: line, ca, servername: 'localhost' })
  socket.on('error', () => undefined)
  return { socket, line, device }
}

async function read(socket: TLSSocket, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    chunks.push(chunk)
    size += chunk.length
    if (size >= bytes) break
  }
  return Buffer.concat(chunks)
}

const conditions = fc.record({
  latency: fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined }),
  jitter: fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined }),
  loss: fc.option(fc.double({ min: 0, max: 0.01, noNaN: true }), { nil: undefined }),
  bandwidth: fc.option(fc.integer({ min: 2_000_000, max: 50_000_000 }), { nil: undefined }),
})

/** Without the keys that are undefined. */
const clean = (network: object) => JSON.parse(JSON.stringify(network)) as Network

test('what comes back is what was sent, whatever the conditions and however it was cut', {
  timeout: 30_000,
}, async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(conditions, sizes, fc.nat(), async (network, chunkSizes, seed) => {
      const { socket } = open(clean(network))
      const random = createRandom(seed)
      const chunks = chunkSizes.map((size) =>
        Buffer.from(Array.from({ length: size }, () => Math.floor(random() * 256))),
      )
      const sent = Buffer.concat(chunks)
      const back = read(socket, sent.length)
      for (const chunk of chunks) socket.write(chunk)
      expect((await back).equals(sent)).toBe(true)
      socket.destroy()
    }),
    { numRuns: 15 },
  )
})

test('latency is there on every way: TCP, TLS, the question and its answer', async () => {
  const startedAt = performance.now()
  const { socket } = open({ latency: 60 })
  await once(socket, 'secureConnect')
  // TCP there and back, ClientHello there, the server's part back.
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(4 * 60 - 5)
  const askedAt = performance.now()
  socket.write('x')
  await once(socket, 'data')
  expect(performance.now() - askedAt).toBeGreaterThanOrEqual(2 * 60 - 5)
  socket.destroy()
})

test.each(['up', 'down'])('no more goes through than the bandwidth allows: %s', async (way) => {
  const bytes = 200_000
  const bandwidth = 400_000
  const count: Serve = (socket) => {
    let size = 0
    socket.on('data', (chunk) => {
      size += chunk.length
      if (size >= bytes) socket.write('y')
    })
  }
  const pour: Serve = (socket) => socket.once('data', () => socket.write(Buffer.alloc(bytes)))
  const { socket } = open({ bandwidth }, way === 'up' ? count : pour)
  await once(socket, 'secureConnect')
  const startedAt = performance.now()
  if (way === 'up') {
    socket.write(Buffer.alloc(bytes))
    await once(socket, 'data')
  } else {
    socket.write('x')
    await read(socket, bytes)
  }
  const rate = (bytes * 1_000) / (performance.now() - startedAt)
  expect(rate).toBeLessThan(bandwidth * 1.01)
  socket.destroy()
})

describe('back-pressure: memory is bounded', () => {
  test('where the network is slower than the device', async () => {
    const { socket, line } = open({ bandwidth: 10_000 })
    await once(socket, 'secureConnect')
    let most = 0
    for (let sent = 0; sent < 4_000_000; sent += 16_384) {
      const goesOn = socket.write(Buffer.alloc(16_384))
      most = Math.max(most, line.writableLength)
      if (!goesOn) break
    }
    expect(socket.writableNeedDrain).toBe(true)
    expect(socket.bytesWritten).toBeLessThan(1_000_000)
    expect(most).toBeLessThan(400_000)
    socket.destroy()
  })

  test('where the device does not read', async () => {
    const mostBytes = 64_000_000
    let written = 0
    const pour: Serve = (socket) => {
      const chunk = Buffer.alloc(65_536)
      const more = () => {
        while (written < mostBytes) {
          written += chunk.length
          if (!socket.write(chunk)) return
        }
      }
      socket.on('drain', more)
      more()
    }
    const { socket } = open({ latency: 1 }, pour)
    await once(socket, 'secureConnect')
    socket.pause()
    // It has stalled when it stands still for a while.
    let before = -1
    await expect
      .poll(
        () => {
          const stands = written > 0 && written === before
          before = written
          return stands
        },
        { interval: 300, timeout: 10_000 },
      )
      .toBe(true)
    expect(written).toBeLessThan(mostBytes / 2)
    socket.destroy()
  })
})

describe('the end of a connection', () => {
  test('what was written before it arrives, however long the way', async () => {
    const arrived: string[] = []
    const { socket } = open({ latency: 50 }, (peer) => peer.on('data', (chunk) => arrived.push(String(chunk))))
    await once(socket, 'secureConnect')
    socket.end('goodbye', () => socket.destroy())
    await expect.poll(() => arrived.join('')).toBe('goodbye')
    await expect.poll(() => sockets.size).toBe(0)
  })

  test('what the other side wrote before it is still read', async () => {
    const { socket } = open({ latency: 50 }, (peer) => peer.end(Buffer.alloc(300_000)))
    expect(await read(socket, 300_000)).toHaveLength(300_000)
    // With an error where the line had closed before TLS could say its last word.
    await new Promise((resolve) => socket.resume().once('close', resolve))
    await expect.poll(() => sockets.size).toBe(0)
  })

  test('a port where nobody is: the error comes through', async () => {
    const device = createNetwork({ network: { latency: 1 }, seed: [2], signal: ending.signal })
    const line = device.dial({ host: 'localhost', port: 9, purpose: 'mqtt' })
    const [error] = await once(line, 'error')
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('cut without a word: neither side hears of it, and nothing passes', async () => {
    const heard: string[] = []
    const { socket, device, line } = open({}, (peer) => peer.on('data', (chunk) => heard.push(String(chunk))))
    await once(socket, 'secureConnect')
    socket.write('before')
    await expect.poll(() => heard).toEqual(['before'])
    device.goDark()
    socket.write('after')
    const [peer] = sockets
    peer?.write('answer')
    const next = open({})
    await once(next.socket, 'secureConnect')
    next.socket.write('x')
    await once(next.socket, 'data')
    expect(heard).toEqual(['before'])
    expect(socket.bytesRead).toBe(0)
    expect(socket.destroyed || peer?.destroyed).toBe(false)
    // Nor when the device is gone altogether.
    socket.destroy()
    line.destroy()
    next.socket.destroy()
    await expect.poll(() => sockets.size).toBe(1)
    expect(peer?.readableEnded).toBe(false)
    peer?.destroy()
    await expect.poll(() => line.isReleased).toBe(true)
  })

  test('connections are cut at times that the seed decides', async () => {
    const timers = vi.spyOn(globalThis, 'setTimeout')
    // When a timer is due is decided by the seed, when it is called by the machine: no other has a part of a millisecond.
    const dueIn = () => timers.mock.calls.flatMap(([, ms = 0]) => (Number.isInteger(ms) ? [] : [ms]))
    const times = async () => {
      timers.mockClear()
      const signal = ending.signal
      const device = createNetwork({ network: { disconnectEvery: 40 }, seed: [3, 'cuts'], signal })
      for (let index = 0; index < 5; index += 1) {
        const line = device.dial({ host: 'localhost', port, purpose: 'mqtt' })
        const { promise, resolve } = Promise.withResolvers<void>()
        const goDark = line.goDark.bind(line)
        line.goDark = () => {
          goDark()
          resolve()
        }
        await promise
        line.release()
      }
      return dueIn()
    }
    const [first, second] = [await times(), await times()]
    timers.mockRestore()
    expect(first).toHaveLength(5)
    expect(second).toEqual(first)
    expect(new Set(first).size).toBe(5)
  })

  test('once it is calm, none is cut any more', async () => {
    const device = createNetwork({ network: { disconnectEvery: 1_000 }, seed: [5], signal: ending.signal })
    const target = { host: 'localhost', port, purpose: 'mqtt' } as const
    const cut: Line[] = []
    const dial = () => {
      const line = device.dial(target)
      line.goDark = () => void cut.push(line)
      return line
    }
    const spared = [dial(), dial(), dial()]
    device.calm()
    spared.push(dial(), dial())
    // Others, of the same kind, are.
    const other = createNetwork({ network: { disconnectEvery: 200 }, seed: [5], signal: ending.signal })
    const { promise, resolve } = Promise.withResolvers<void>()
    for (let index = 0; index < 5; index += 1) other.dial(target).goDark = resolve
    await promise
    expect(cut).toEqual([])
    for (const line of spared) line.release()
  })

  test('the end of the run takes everything with it', async () => {
    const end = new AbortController()
    const device = createNetwork({ network: { latency: 5 }, seed: [4], signal: end.signal })
    const lines = [1, 2].map(() => device.dial({ host: 'localhost', port, purpose: 'mqtt' }))
    const open = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)))
    await expect.poll(open).toBeGreaterThanOrEqual(2)
    device.goDark()
    lines[0]?.destroy()
    end.abort()
    expect(lines.every((line) => line.destroyed && line.isReleased)).toBe(true)
  })
})
