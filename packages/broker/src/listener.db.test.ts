import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { createTestCa } from '@muster/pki/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { rawClient, startTestBroker, type TestBroker, type TestDevice } from './testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({ limits: { handshakeMs: 300, connectMs: 300, strangerMs: 300 } })
})
afterAll(() => muster[Symbol.asyncDispose]())

const versions = ['TLSv1.2', 'TLSv1.3'] as const
type Version = (typeof versions)[number]

/** Connects once; answers what CONNACK said, and the TLS session to resume. */
async function attempt(device: Partial<TestDevice>, id: string, version: Version, session?: Buffer) {
  const tls = { minVersion: version, maxVersion: version, ...(session && { session }) }
  const socket = await muster.openTls(device, tls)
  const resumed = socket.isSessionReused()
  const tickets: Buffer[] = []
  const held = version === 'TLSv1.2' ? socket.getSession() : session
  socket.on('session', (ticket: Buffer) => tickets.push(ticket))
  const client = rawClient(socket)
  client.connect(id)
  await Promise.race([client.closed, client.next('connack')])
  const [connack] = client.find('connack')
  // TLS 1.2 gives its ticket within the handshake, and a resumed session need not be given another.
  const after = tickets.at(-1) ?? held
  socket.destroy()
  return { resumed, returnCode: connack?.cmd === 'connack' ? connack.returnCode : undefined, session: after }
}

describe.each(versions)('a resumed %s session', (version) => {
  test('is admitted like a full one, and refused when the device is revoked', async () => {
    const id = `resumes-${version.at(-1)}`
    const device = await muster.addDevice(id)
    const first = await attempt(device, id, version)
    expect(first).toMatchObject({ resumed: false, returnCode: 0 })
    const second = await attempt(device, id, version, first.session)
    expect(second).toMatchObject({ resumed: true, returnCode: 0 })
    await muster.receipt(await muster.change(device, 'revoke'))
    expect(await attempt(device, id, version, second.session)).toMatchObject({ resumed: true, returnCode: 5 })
    await vi.waitFor(async () => expect(await muster.refusals(id)).toEqual(['device-revoked']))
  })

  test('does not outlive its certificate', async () => {
    const id = `expires-${version.at(-1)}`
    const device = await muster.addDevice(id, { notAfter: new Date(Date.now() + 3_000) })
    const { returnCode, session } = await attempt(device, id, version)
    expect(returnCode).toBe(0)
    await vi.waitFor(
      async () => expect(await attempt(device, id, version, session)).toMatchObject({ resumed: true, returnCode: 5 }),
      { timeout: 10_000, interval: 500 },
    )
    await vi.waitFor(async () => expect(await muster.refusals(id)).toEqual(['certificate-expired']))
  })

  test('that began untrusted stays untrusted', async () => {
    const id = `stranger-${version.at(-1)}`
    await muster.addDevice(id)
    const twin = await createTestCa()
    const impostor = await muster.addDevice(id, { ca: twin, unknown: true })
    const { session, ...first } = await attempt(impostor, id, version)
    expect(first).toEqual({ resumed: false, returnCode: 5 })
    expect(await attempt(impostor, id, version, session)).toMatchObject({ resumed: true, returnCode: 5 })
    await vi.waitFor(async () => expect(await muster.refusals(id)).toEqual(['certificate-untrusted']))
  })

  test('without any certificate is nobody’s', async () => {
    const { session, ...first } = await attempt({}, 'anybody', version)
    expect(first).toEqual({ resumed: false, returnCode: 5 })
    expect(await attempt({}, 'anybody', version, session)).toMatchObject({ resumed: true, returnCode: 5 })
  })
})

describe('certificates', () => {
  test('of our CA, but not issued by the registry', async () => {
    await muster.addDevice('copied')
    const forged = await muster.addDevice('copied', { unknown: true })
    expect(await attempt(forged, 'copied', 'TLSv1.3')).toMatchObject({ returnCode: 5 })
    await vi.waitFor(async () => expect(await muster.refusals('copied')).toEqual(['certificate-unknown']))
    const { rows } = await muster.db.$client.query("select alert from refusals where device = 'copied'")
    expect(rows).toEqual([{ alert: true }])
  })

  test('of a device that never existed are recorded as a claim', async () => {
    const forged = await muster.addDevice('nobody', { unknown: true })
    expect(await attempt(forged, 'nobody', 'TLSv1.3')).toMatchObject({ returnCode: 5 })
    const known = await muster.addDevice('known')
    await attempt(known, 'wrong', 'TLSv1.3')
    await vi.waitFor(async () => expect(await muster.refusals('known')).toEqual(['client-id-mismatch']))
    await vi.waitFor(async () => expect(await muster.refusals('nobody')).toEqual(['certificate-unknown']))
    const { rows } = await muster.db.$client.query(
      "select device, proven, serial from refusals where device in ('known', 'nobody') order by device",
    )
    expect(rows).toEqual([
      { device: 'known', proven: true, serial: known.serial },
      { device: 'nobody', proven: false, serial: forged.serial },
    ])
  })

  test('of a server are not for clients', async () => {
    const server = await muster.addDevice('server-1', { fleet: 'muster', profile: 'server', hosts: ['localhost'] })
    expect(await attempt(server, 'server-1', 'TLSv1.3')).toMatchObject({ returnCode: 5 })
    await vi.waitFor(async () => expect(await muster.refusals('server-1')).toEqual(['forbidden']))
  })

  test('sent without their chain are completed from the registry’s issuers', async () => {
    const device = await muster.addDevice('leaf-only')
    const [leaf = ''] = device.cert.split(/(?<=-----END CERTIFICATE-----\n)/)
    expect(await attempt({ ...device, cert: leaf }, 'leaf-only', 'TLSv1.3')).toMatchObject({ returnCode: 0 })
  })
})

describe('connections that lead nowhere', () => {
  const openTcp = async (first: string | Buffer, port = muster.broker.mqttPort): Promise<Socket> => {
    const socket = connectTcp(port, '127.0.0.1').resume()
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(first)
    return socket
  }
  const closed = (socket: Socket) =>
    socket.destroyed || new Promise<void>((resolve) => socket.once('close', () => resolve()))

  test.each([
    ['MQTT without TLS', Buffer.from('101000044d5154540402003c000461626364', 'hex')],
    ['garbage', Buffer.alloc(100, 7)],
    ['HTTP', 'GET / HTTP/1.1\r\n\r\n'],
    ['half a ClientHello, then silence', Buffer.from('1603010200', 'hex')],
    ['nothing', ''],
  ])('%s is closed', async (_, bytes) => {
    await closed(await openTcp(bytes))
  })

  test('half-open handshakes are bounded in number: the oldest make room, and devices still get in', async () => {
    await using other = await startTestBroker({ limits: { arrivals: 20, handshakeMs: 60_000 } })
    const port = other.broker.mqttPort
    const sockets = await Promise.all(Array.from({ length: 60 }, () => openTcp(Buffer.from('1603010200', 'hex'), port)))
    await vi.waitFor(() => expect(sockets.filter((socket) => socket.destroyed)).toHaveLength(40))
    const client = await other.connect(await other.addDevice('gets-in'))
    await client.endAsync()
    for (const socket of sockets) socket.destroy()
  })

  test.each([
    ['silence', ''],
    ['half a CONNECT', Buffer.from('10ff', 'hex')],
    ['a CONNECT of 256 MB', Buffer.from('10ffffff7f', 'hex')],
    ['a malformed length', Buffer.from('10ffffffffff', 'hex')],
    ['another packet first', Buffer.from('c000', 'hex')],
    ['a CONNECT with a reserved flag', Buffer.from('101000044d5154540403003c000461626364', 'hex')],
    ['a CONNECT that ends early', Buffer.from('100800044d515454040203', 'hex')],
  ])('after a good handshake, %s is closed without an answer', async (_, bytes) => {
    const device = await muster.addDevice(`idle-${Math.random().toString(16).slice(2)}`)
    const socket = await muster.openTls(device)
    const client = rawClient(socket)
    if (bytes.length > 0) socket.write(bytes)
    await client.closed
    expect(client.received).toEqual([])
  })

  test('an MQTT 5 CONNECT that is malformed is told so', async () => {
    const device = await muster.addDevice('ends-early')
    const socket = await muster.openTls(device)
    const client = rawClient(socket, 5)
    socket.write(Buffer.from('101000044d5154540502003c0526000a6162', 'hex'))
    expect(await client.next('connack')).toMatchObject({
      reasonCode: 0x81,
      properties: { reasonString: /^packet-malformed: / },
    })
    await client.closed
  })

  test('MQTT 3.1 is told which versions are spoken', async () => {
    const device = await muster.addDevice('old')
    const client = rawClient(await muster.openTls(device))
    client.connect('old', { protocolId: 'MQIsdp', protocolVersion: 3 })
    expect(await client.next('connack')).toMatchObject({ returnCode: 1 })
    await client.closed
  })

  test('a CONNECT in single bytes is served', async () => {
    const device = await muster.addDevice('slow')
    const socket = await muster.openTls(device)
    const client = rawClient(socket)
    for (const byte of Buffer.from('101000044d5154540402003c0004736c6f77', 'hex')) socket.write(Buffer.from([byte]))
    expect(await client.next('connack')).toMatchObject({ returnCode: 0 })
    socket.destroy()
  })

  test('a CONNECT with packets right behind it loses none of them', async () => {
    const device = await muster.addDevice('eager')
    const socket = await muster.openTls(device)
    const client = rawClient(socket)
    const topic = 'fleets/default/devices/eager/telemetry'
    socket.cork()
    client.connect('eager')
    for (let messageId = 1; messageId <= 20; messageId++)
      client.send({ cmd: 'publish', topic, payload: `${messageId}`, qos: 1, messageId, dup: false, retain: false })
    socket.uncork()
    await client.next('puback', 20)
    const { rows } = await muster.db.$client.query("select payload from telemetry where device = 'eager' order by seq")
    expect(rows.map(({ payload }) => Number(payload))).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
    socket.destroy()
  })
})
