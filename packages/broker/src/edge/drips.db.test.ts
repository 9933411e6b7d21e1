import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { generate } from 'mqtt-packet'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { rawClient, startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  const limits = { handshakeMs: 2_000, connectMs: 1_000, packetMs: 2_000 }
  muster = await startTestBroker({ websocketPort: 0, limits })
})
afterAll(() => muster?.[Symbol.asyncDispose]())

/** Faster than one a second, as are the limits here: each byte comes well before anything could be called idle. */
const everyMs = 20
const publishTo = (id: string) =>
  generate({
    ...{ cmd: 'publish', topic: `fleets/default/devices/${id}/telemetry`, payload: Buffer.alloc(50_000) },
    ...{ qos: 1, messageId: 1, dup: false, retain: false },
  })
const ports = () => ({ mqtt: muster.broker.mqttPort, websocket: muster.broker.websocketPort ?? 0 })

/** Writes byte by byte until `closed`; answers how many it could. */
async function drip(bytes: Buffer, write: (byte: Buffer) => void, closed: Promise<unknown>): Promise<number> {
  let sent = 0
  const timer = setInterval(() => {
    if (sent < bytes.length) write(bytes.subarray(sent, ++sent))
  }, everyMs)
  await closed
  clearInterval(timer)
  return sent
}

function openTcp(port = ports().mqtt) {
  const socket = connectTcp(port, '127.0.0.1').on('error', () => {})
  return { socket, closed: new Promise((resolve) => socket.once('close', resolve)) }
}

/** A TLS client whose first message comes at once, and all that follows byte by byte. */
async function dripHandshake({ key, cert }: TestDevice) {
  const { socket, closed } = openTcp()
  let isFirst = true
  const wire = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      if (isFirst) socket.write(chunk)
      else void drip(chunk, (byte) => socket.write(byte), closed)
      isFirst = false
      done()
    },
  })
  socket.on('data', (chunk) => wire.push(chunk))
  const tls = connectTls({ socket: wire, servername: 'localhost', ca: muster.ca.root.toString(), key, cert })
  tls.on('error', () => {})
  await closed
  tls.destroy()
}

const slow: [string, (device: TestDevice) => Promise<unknown>][] = [
  [
    'its ClientHello',
    async () => {
      const { socket, closed } = openTcp()
      const hello = Buffer.concat([Buffer.from('16030106000100', 'hex'), Buffer.alloc(1_536)])
      expect(await drip(hello, (byte) => socket.resume().write(byte), closed)).toBeLessThan(hello.length)
    },
  ],
  ['its certificate', (device) => dripHandshake(device)],
  [
    'its CONNECT',
    async (device) => {
      const socket = await muster.openTls(device)
      const client = rawClient(socket)
      const password = Buffer.alloc(5_000)
      const hello = {
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clean: true,
        clientId: device.id,
      } as const
      const connect = generate({ ...hello, username: 'x', password })
      expect(await drip(connect, (byte) => socket.write(byte), client.closed)).toBeLessThan(connect.length)
      expect(client.received).toEqual([])
    },
  ],
  [
    'a PUBLISH',
    async (device) => {
      const socket = await muster.openTls(device)
      const client = rawClient(socket, 5)
      client.connect(device.id, { protocolVersion: 5 })
      await client.next('connack')
      const publish = Buffer.concat([publishTo(device.id).subarray(0, 4), Buffer.alloc(50_000)])
      expect(await drip(publish, (byte) => socket.write(byte), client.closed)).toBeLessThan(publish.length)
      const [disconnect] = client.find('disconnect')
      expect(disconnect).toMatchObject({ reasonCode: 0x97, properties: { reasonString: /^protocol-error: / } })
    },
  ],
  [
    'its upgrade to WebSocket',
    async (device) => {
      const socket = await muster.openTls(device, { port: ports().websocket })
      // A byte that is still on its way may be answered with a reset.
      const closed = new Promise((resolve) =>
        socket
          .on('error', () => {})
          .resume()
          .once('close', resolve),
      )
      const request = Buffer.from(`GET /mqtt HTTP/1.1\r\nhost: localhost\r\nx: ${'a'.repeat(5_000)}`)
      expect(await drip(request, (byte) => socket.write(byte), closed)).toBeLessThan(request.length)
    },
  ],
  [
    'a PUBLISH in frames of a WebSocket',
    async ({ id, key, cert }) => {
      const url = `wss://localhost:${ports().websocket}/mqtt`
      const websocket = new WebSocket(url, 'mqtt', { ca: muster.ca.root.toString(), key, cert })
      const closed = new Promise((resolve) => websocket.on('error', () => {}).once('close', resolve))
      await once(websocket, 'open')
      const hello = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: id } as const
      websocket.send(generate({ ...hello, keepalive: 0 }))
      await once(websocket, 'message')
      const publish = publishTo(id)
      expect(await drip(publish, (byte) => websocket.send(byte), closed)).toBeLessThan(publish.length)
    },
  ],
]

test.each(slow)('clients that send %s byte by byte are ended in time, and others are served', async (what, dripOne) => {
  const name = what.toLowerCase().replaceAll(/\W+/g, '-')
  const devices = await Promise.all(Array.from({ length: 10 }, (_, index) => muster.addDevice(`${name}-${index}`)))
  const ended = Promise.all(devices.map(dripOne))
  const honest = await muster.connect(await muster.addDevice(`${name}-honest`))
  await honest.publishAsync(`fleets/default/devices/${name}-honest/telemetry`, 'x', { qos: 1 })
  await ended
  await honest.publishAsync(`fleets/default/devices/${name}-honest/telemetry`, 'y', { qos: 1 })
  await honest.endAsync()
})

test('a packet in pieces that is there in time is taken, and its time is not that of the next', async () => {
  const device = await muster.addDevice('in-pieces')
  const socket = await muster.openTls(device)
  const client = rawClient(socket)
  client.connect(device.id)
  await client.next('connack')
  const publish = publishTo(device.id)
  // Each ends with the beginning of the next: all the time a part of a packet waits, longer than one packet may.
  socket.write(publish.subarray(0, 10))
  const started = performance.now()
  let acknowledged = 0
  while (performance.now() - started < 4_500) {
    socket.write(Buffer.concat([publish.subarray(10), publish.subarray(0, 10)]))
    acknowledged += 1
    await client.next('puback', acknowledged)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  expect(acknowledged).toBeGreaterThan(2)
  expect(socket.destroyed).toBe(false)
  socket.destroy()
})
