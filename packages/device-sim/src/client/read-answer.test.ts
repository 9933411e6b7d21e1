import { generate, type Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { readAnswer, readConnack, readDisconnect, readFirstGrant } from './read-answer.ts'
import { readPackets } from './read-packets.ts'

type Read<Result> = (bytes: Buffer, start: number, end: number, version: 4 | 5) => Result

/** What another codec writes, as it is read here. */
function readAs<Result>(read: Read<Result>, packet: Packet, protocolVersion: 4 | 5): Result | undefined {
  let result: Result | undefined
  readPackets((_type, _flags, bytes, start, end) => {
    result = read(bytes, start, end, protocolVersion)
  })(generate(packet, { protocolVersion }))
  return result
}

const properties = {
  sessionExpiryInterval: 9,
  receiveMaximum: 20,
  assignedClientIdentifier: 'pump-7',
  userProperties: { a: 'b', c: 'd' },
  wildcardSubscriptionAvailable: true,
  reasonString: 'device-revoked: it has been revoked',
  serverKeepAlive: 60,
}

describe('CONNACK', () => {
  test('with a reason among other properties', () => {
    const packet: Packet = { cmd: 'connack', sessionPresent: false, reasonCode: 0x87, properties }
    expect(readAs(readConnack, packet, 5)).toEqual({
      ...{ sessionPresent: false, reasonCode: 0x87, reason: 'device-revoked: it has been revoked' },
    })
  })
  test.each([4, 5] as const)('that admits, to a session (level %i)', (version) => {
    const packet: Packet = { cmd: 'connack', sessionPresent: true, reasonCode: 0, returnCode: 0 }
    expect(readAs(readConnack, packet, version)).toEqual({ sessionPresent: true, reasonCode: 0, reason: '' })
  })
  test('of MQTT 3.1.1, that refuses', () => {
    const packet: Packet = { cmd: 'connack', sessionPresent: false, returnCode: 5 }
    expect(readAs(readConnack, packet, 4)).toEqual({ sessionPresent: false, reasonCode: 5, reason: '' })
  })
})

test.each(['puback', 'pubrec', 'pubcomp'] as const)('%s: a code, or none for success', (cmd) => {
  expect(readAs(readAnswer, { cmd, messageId: 7, reasonCode: 0x92 }, 5)).toEqual({ reasonCode: 0x92, reason: '' })
  const told: Packet = { cmd, messageId: 7, reasonCode: 0x87, properties: { reasonString: 'topic-denied: no' } }
  expect(readAs(readAnswer, told, 5)).toEqual({ reasonCode: 0x87, reason: 'topic-denied: no' })
  expect(readAs(readAnswer, { cmd, messageId: 7 }, 4)).toEqual({ reasonCode: 0, reason: '' })
})

test('DISCONNECT', () => {
  const packet: Packet = { cmd: 'disconnect', reasonCode: 0x98, properties: { reasonString: 'device-revoked: x' } }
  expect(readAs(readDisconnect, packet, 5)).toEqual({ reasonCode: 0x98, reason: 'device-revoked: x' })
})

test.each([4, 5] as const)('SUBACK (level %i)', (version) => {
  const packet: Packet = { cmd: 'suback', messageId: 7, granted: [1, 0x80] }
  expect(readAs(readFirstGrant, packet, version)).toBe(1)
})
