import { once } from 'node:events'
import { request } from 'node:https'
import { setImmediate as nextTurn } from 'node:timers/promises'
import mqtt, { type IClientOptions } from 'mqtt'
import { generate } from 'mqtt-packet'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import { nextEvent, startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'

const page = 'https://console.example'
let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({
    ...{ websocketPort: 0, websocketOrigins: [page] },
    limits: { connectMs: 500, handshakeMs: 2_000, strangerMs: 500 },
  })
})
afterAll(() => muster?.[Symbol.asyncDispose]())

const url = (path = '/mqtt') => `wss://localhost:${muster.broker.websocketPort}${path}`
const tlsOf = ({ key, cert }: Partial<TestDevice>) => ({
  ca: muster.ca.root.toString(),
  ...(key && cert && { key, cert }),
})

const connect = (device: TestDevice, options: IClientOptions = {}) =>
  mqtt.connectAsync(url(), { ...tlsOf(device), clientId: device.id, reconnectPeriod: 0, ...options })

/** What became of an upgrade: `open`, or the status of its refusal. */
function upgrade(device: Partial<TestDevice>, options: ClientOptions = {}, path?: string, protocols = ['mqtt']) {
  const websocket = new WebSocket(url(path), protocols, { ...tlsOf(device), ...options })
  const outcome = new Promise<number | string>((resolve) => {
    websocket.once('open', () => resolve('open'))
    websocket.once('unexpected-response', (_request, response) => {
      resolve(response.statusCode ?? 0)
      websocket.terminate()
    })
    websocket.on('error', () => resolve('error'))
  })
  const closed = new Promise<number>((resolve) => websocket.once('close', resolve))
  return { websocket, outcome, closed }
}

const connectPacket = (clientId: string) =>
  generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, keepalive: 30, clientId })

describe('MQTT over WebSocket', () => {
  test.each([4, 5] as const)(
    'version %i: publishes, subscribes, and is thrown out when revoked',
    async (protocolVersion) => {
      const device = await muster.addDevice(`web-${protocolVersion}`)
      const service = await muster.addDevice(`web-service-${protocolVersion}`, { profile: 'service' })
      const client = await connect(device, { protocolVersion })
      const sender = await muster.connect(service)
      const topic = `fleets/default/devices/${device.id}/commands/x`
      await client.subscribeAsync(topic, { qos: 1 })
      const heard = nextEvent(client, 'message')
      await sender.publishAsync(topic, Buffer.alloc(100_000, 1), { qos: 1 })
      expect(await heard).toBe(topic)
      await client.publishAsync(`fleets/default/devices/${device.id}/telemetry/t`, Buffer.alloc(100_000, 2), { qos: 1 })
      const { rows } = await muster.db.$client.query(
        'select length(payload) as bytes from telemetry where device = $1',
        [device.id],
      )
      expect(rows).toEqual([{ bytes: 100_000 }])
      const closed = nextEvent(client, 'close')
      expect(await muster.receipt(await muster.change(device, 'revoke'))).toMatchObject({ connectionsClosed: 1 })
      await closed
      await expect(connect(device, { protocolVersion })).rejects.toThrow()
      await vi.waitFor(async () => expect(await muster.refusals(device.id)).toEqual(['device-revoked']))
      await sender.endAsync()
    },
  )

  test('has the same rules: another’s client id is refused with a reason, and no certificate as well', async () => {
    const device = await muster.addDevice('web-other')
    await expect(connect(device, { clientId: 'web-4', protocolVersion: 5 })).rejects.toMatchObject({ code: 0x85 })
    await expect(
      mqtt.connectAsync(url(), { ...tlsOf({}), clientId: 'x', reconnectPeriod: 0, protocolVersion: 5 }),
    ).rejects.toMatchObject({ code: 0x87 })
  })

  test('packets may be split over frames anywhere, and share them', async () => {
    const device = await muster.addDevice('web-split')
    const { websocket, outcome } = upgrade(device)
    expect(await outcome).toBe('open')
    const received: Buffer[] = []
    websocket.on('message', (data: Buffer, isBinary) => {
      expect(isBinary).toBe(true)
      received.push(data)
    })
    for (const byte of connectPacket('web-split')) websocket.send(Buffer.from([byte]))
    await vi.waitFor(() => expect(Buffer.concat(received).toString('hex')).toBe('20020000'))
    const ping = generate({ cmd: 'pingreq' })
    websocket.send(Buffer.concat([ping, ping, ping]))
    await vi.waitFor(() => expect(Buffer.concat(received).toString('hex')).toBe('20020000d000d000d000'))
    websocket.terminate()
  })

  test('pings are answered', async () => {
    const { websocket, outcome } = upgrade(await muster.addDevice('web-ping'))
    expect(await outcome).toBe('open')
    const pong = once(websocket, 'pong')
    websocket.ping('x')
    expect(String((await pong)[0])).toBe('x')
    websocket.terminate()
  })
})

describe('an upgrade', () => {
  test.each<[string, number | string, ClientOptions, string?, string[]?]>([
    ['from a program', 'open', {}],
    ['from a page that may', 'open', { origin: page }],
    ['from any other page', 403, { origin: 'https://elsewhere.example' }],
    ['from a page that is none', 403, { origin: 'null' }],
    ['at the root', 'open', {}, '/'],
    ['elsewhere', 404, {}, '/admin'],
    ['without a subprotocol', 400, {}, '/mqtt', []],
    ['with another subprotocol', 400, {}, '/mqtt', ['mqttv3.1']],
    ['with several', 'open', {}, '/mqtt', ['mqttv3.1', 'mqtt']],
  ])('%s: %s', async (name, expected, options, path, protocols) => {
    const device = await muster.addDevice(`up-${name.replaceAll(/\W+/g, '-')}`)
    const { websocket, outcome } = upgrade(device, options, path, protocols)
    expect(await outcome).toBe(expected)
    websocket.terminate()
  })

  test('is needed: plain HTTPS is told so', async () => {
    const asked = request({
      ...tlsOf(await muster.addDevice('web-get')),
      host: 'localhost',
      port: muster.broker.websocketPort,
    })
    asked.end()
    const [response] = await once(asked, 'response')
    expect(response.statusCode).toBe(426)
    response.resume()
  })

  test('that never comes, or comes byte by byte, is not waited for', async () => {
    const device = await muster.addDevice('web-slow')
    const port = muster.broker.websocketPort ?? 0
    for (const bytes of ['', 'GET /mqtt HTTP/1.1\r\nx: ']) {
      const socket = await muster.openTls(device, { port })
      let closed = false
      socket.resume().once('close', () => {
        closed = true
      })
      for (let sent = 0; !closed; sent++) {
        if (sent < bytes.length) socket.write(bytes.charAt(sent))
        else if (bytes) socket.write('a')
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  })
})

describe('frames', () => {
  const open = async (id: string) => {
    const one = upgrade(await muster.addDevice(id))
    expect(await one.outcome).toBe('open')
    return one
  }

  test('of text end the connection', async () => {
    const { websocket, closed } = await open('web-text')
    websocket.send('text')
    await closed
  })

  test('above the bound end it, in one piece and in many', async () => {
    const whole = await open('web-large')
    whole.websocket.send(Buffer.alloc(600_000))
    await whole.closed
    const parts = await open('web-parts')
    for (let part = 0; part < 100 && parts.websocket.readyState === WebSocket.OPEN; part++) {
      parts.websocket.send(Buffer.alloc(10_000), { fin: false })
      await nextTurn()
    }
    await parts.closed
  })

  test('and nothing in them: the CONNECT is waited for as long as anywhere', async () => {
    const { closed } = await open('web-idle')
    await closed
  })

  test('a client that reads nothing is thrown out all the same', async () => {
    const device = await muster.addDevice('web-deaf')
    const { websocket, closed } = upgrade(device)
    await once(websocket, 'open')
    websocket.send(connectPacket('web-deaf'))
    await once(websocket, 'message')
    websocket.pause()
    expect(await muster.receipt(await muster.change(device, 'revoke'))).toMatchObject({ connectionsClosed: 1 })
    websocket.resume()
    await closed
  })
})
