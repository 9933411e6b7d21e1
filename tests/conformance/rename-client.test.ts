import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet'
import { expect, test } from 'vitest'
import { readFirstPacket, renameClient } from './rename-client.ts'

const connectPacket = (clientId: string, more: Partial<IConnectPacket> = {}) =>
  generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, keepalive: 60, clientId, ...more })

function decode(bytes: Buffer): Packet[] {
  const packets: Packet[] = []
  const reading = parser()
  reading.on('packet', (packet) => packets.push(packet))
  reading.parse(bytes)
  return packets
}

const will = { topic: 'w', payload: Buffer.alloc(200, 'w'), qos: 1, retain: false } as const
test.each<[string, Partial<IConnectPacket>]>([
  ['MQTT 3.1.1', { will, username: 'u', password: Buffer.from('p') }],
  [
    'MQTT 5',
    { will, protocolVersion: 5, properties: { sessionExpiryInterval: 9, userProperties: { a: 'b'.repeat(150) } } },
  ],
])('%s: only the client id is another, whatever its length', (_, more) => {
  for (const name of ['x', 'a-name', 'n'.repeat(300)]) {
    const [renamed] = decode(renameClient(connectPacket('Old Name', more), name))
    const [expected] = decode(connectPacket(name, more))
    expect(renamed).toEqual(expected)
  }
})

test('what was sent behind the CONNECT stays', () => {
  const behind = generate({ cmd: 'pingreq' })
  const packets = decode(renameClient(Buffer.concat([connectPacket('a'), behind]), 'longer'))
  expect(packets.map(({ cmd }) => cmd)).toEqual(['connect', 'pingreq'])
})

test.each([
  [Buffer.from([0xc0, 0])],
  [Buffer.from([0x10, 3, 0, 4, 0x4d])],
  [Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff])],
])('what is no CONNECT stays as it is: %j', (bytes) => expect(renameClient(bytes, 'x')).toEqual(bytes))

test('a CONNECT that comes byte by byte', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').setNoDelay(true)
  const [socket] = (await once(server, 'connection')) as [Socket]
  const reading = readFirstPacket(socket)
  const bytes = connectPacket('byte-by-byte')
  for (const byte of bytes) client.write(Buffer.from([byte]))
  expect(await reading).toEqual({ bytes, clientId: 'byte-by-byte' })
  client.destroy()
  server.close()
})
