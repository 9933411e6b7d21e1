import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { rawClient, startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'

/** The balancer is 127.0.0.2; everybody else is a stranger. */
let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({ proxyFrom: ['127.0.0.2', '127.0.1.0/24'], limits: { handshakeMs: 2_000 } })
})
afterAll(() => muster[Symbol.asyncDispose]())

async function openTcp(localAddress: string): Promise<Socket> {
  const socket = connectTcp({ host: '127.0.0.1', port: muster.broker.mqttPort, localAddress, noDelay: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

const closed = (socket: Socket) =>
  socket.destroyed || new Promise<void>((resolve) => socket.resume().once('close', () => resolve()))

/** A CONNECT through `header`; answers how it was met, and with which address the refusal is on record. */
async function connectThrough(header: Buffer | string, device: TestDevice, localAddress = '127.0.0.2') {
  const raw = await openTcp(localAddress)
  raw.write(header)
  const ca = muster.ca.root.toString()
  const socket = connectTls({ socket: raw, servername: 'localhost', ca, key: device.key, cert: device.cert })
  socket.on('error', () => {})
  const client = rawClient(socket)
  client.connect('somebody-else')
  await Promise.race([client.closed, client.next('connack')])
  socket.destroy()
  const answered = client.find('connack').length > 0
  return { answered, address: answered ? await addressOnRecord(device.id) : undefined }
}

const addressOnRecord = (id: string) =>
  vi.waitFor(async () => {
    const query = 'select address from refusals where device = $1 order by last_at desc limit 1'
    const { rows } = await muster.db.$client.query<{ address: string }>(query, [id])
    if (!rows[0]) throw new Error('not on record yet')
    return rows[0].address
  }, 5_000)

const refusalsCounted = async (code: string) => {
  const text = await (await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/metrics`)).text()
  return Number(new RegExp(`^muster_broker_refusals_total\\{code="${code}"\\} (\\d+)`, 'm').exec(text)?.[1] ?? 0)
}

const v2 = (command: string, family: string, body: string) =>
  Buffer.from(
    `0d0a0d0a000d0a515549540a${command}${family}${(body.length / 2).toString(16).padStart(4, '0')}${body}`,
    'hex',
  )

describe('from a named address', () => {
  test.each<[string, Buffer | string, string]>([
    ['v1-four', 'PROXY TCP4 203.0.113.9 192.0.2.1 54321 8883\r\n', '203.0.113.9'],
    ['v1-six', 'PROXY TCP6 2001:db8::9 2001:db8::1 54321 8883\r\n', '2001:db8::9'],
    ['v1-unknown', 'PROXY UNKNOWN\r\n', '127.0.0.2'],
    ['v2-four', v2('21', '11', 'cb007109c0000201d43122b3'), '203.0.113.9'],
    ['v2-six', v2('21', '21', `${'20010db8000000000000000000000009'.repeat(2)}d43122b3`), '2001:db8::9'],
    ['v2-tlvs', v2('21', '11', `cb007109c0000201d43122b3${'020008'}${'6a2e6578616d706c'}`), '203.0.113.9'],
    ['v2-local', v2('20', '00', ''), '127.0.0.2'],
  ])('%s: the address that counts is the one in the header', async (id, header, address) => {
    expect(await connectThrough(header, await muster.addDevice(id))).toEqual({ answered: true, address })
  })

  test('of a network, as well', async () => {
    const device = await muster.addDevice('in-network')
    const header = 'PROXY TCP4 203.0.113.10 192.0.2.1 54321 8883\r\n'
    expect(await connectThrough(header, device, '127.0.1.77')).toEqual({ answered: true, address: '203.0.113.10' })
  })

  test('header and handshake may come byte by byte', async () => {
    const device = await muster.addDevice('in-bytes')
    const front = await openTcp('127.0.0.2')
    for (const byte of v2('21', '11', 'cb007109c0000201d43122b304000100')) {
      front.write(Buffer.from([byte]))
      await new Promise(setImmediate)
    }
    const ca = muster.ca.root.toString()
    const socket = connectTls({ socket: front, servername: 'localhost', ca, key: device.key, cert: device.cert })
    const client = rawClient(socket)
    client.connect('in-bytes')
    expect(await client.next('connack')).toMatchObject({ returnCode: 0 })
    socket.destroy()
  })

  test.each<[string, Buffer | string]>([
    ['no header', ''],
    ['half a header, then TLS', 'PROXY TCP4 203.0.113.9'],
    ['two headers', 'PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n'],
    ['a line without end', `PROXY TCP4 ${'9'.repeat(200)}`],
    ['a header above the bound', v2('21', '11', 'cb007109c0000201d43122b3'.padEnd(8_000, '0'))],
    ['UDP', v2('21', '12', 'cb007109c0000201d43122b3')],
  ])('%s is refused', async (name, header) => {
    const before = await refusalsCounted('proxy-header')
    const device = await muster.addDevice(`bad-${name.toLowerCase().replaceAll(/\W+/g, '-')}`)
    expect(await connectThrough(header, device)).toEqual({ answered: false, address: undefined })
    expect(await refusalsCounted('proxy-header')).toBe(before + 1)
  })

  test('a header that never ends is given up on', async () => {
    const socket = await openTcp('127.0.0.2')
    socket.write('PROXY TCP4 ')
    await closed(socket)
  })
})

describe('from anybody else', () => {
  test('a header is refused, whatever it says', async () => {
    const before = await refusalsCounted('proxy-header')
    const device = await muster.addDevice('liar')
    for (const header of ['PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\n', v2('21', '11', 'cb007109c0000201d43122b3')])
      expect(await connectThrough(header, device, '127.0.0.3')).toMatchObject({ answered: false })
    expect(await refusalsCounted('proxy-header')).toBe(before + 2)
    expect(await muster.refusals('liar')).toEqual([])
  })

  test('none is needed', async () => {
    const device = await muster.addDevice('direct')
    expect(await connectThrough('', device, '127.0.0.3')).toEqual({ answered: true, address: '127.0.0.3' })
  })
})
