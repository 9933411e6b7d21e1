import { describe, expect, test } from 'vitest'
import { Decoder } from './decoder.ts'
import type { ClientPacket } from './packets.ts'

const hello = { 4: '100c00044d5154540402003c0000', 5: '100d00044d5154540502003c000000' }

function decode(
  hex: string,
  { version, maxBytes = 1_000 }: { version?: 4 | 5; maxBytes?: number } = {},
): ClientPacket[] {
  const decoder = new Decoder(maxBytes)
  if (version) {
    decoder.push(Buffer.from(hello[version], 'hex'))
    decoder.next()
  }
  decoder.push(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
  const packets: ClientPacket[] = []
  for (let packet = decoder.next(); packet; packet = decoder.next()) packets.push(packet)
  return packets
}

const refusal = (reasonCode: number) => expect.objectContaining({ reasonCode })
const text = (value: string) => Buffer.from([0, value.length, ...Buffer.from(value)]).toString('hex')
const connect = (version: number, flags: string, rest: string) => {
  const body = `00044d515454${version.toString(16).padStart(2, '0')}${flags}003c${rest}`
  return `10${(body.length / 2).toString(16).padStart(2, '0')}${body}`
}

describe('CONNECT', () => {
  test('with everything', () => {
    const properties = '11000000ff 210010'.replaceAll(' ', '')
    const will = `02 0101 ${text('w/t')} 0002 6869`.replaceAll(' ', '')
    const rest = `08${properties}${text('id')}${will}${text('user')}${text('pass')}`
    expect(decode(connect(5, 'ee', rest))).toEqual([
      {
        ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clean: true, keepalive: 60, clientId: 'id' },
        properties: { sessionExpiryInterval: 255, receiveMaximum: 16 },
        will: {
          ...{ topic: 'w/t', payload: Buffer.from('hi'), qos: 1, retain: true },
          properties: { payloadFormatIndicator: true },
        },
        ...{ username: 'user', password: Buffer.from('pass'), length: expect.any(Number) },
      },
    ])
  })

  test.each([
    ['[MQTT-3.1.2-3] the reserved flag', connect(4, '03', '0000'), 0x81],
    ['[MQTT-3.1.2-11] will QoS without a will', connect(4, '0a', '0000'), 0x81],
    ['[MQTT-3.1.2-15] will retain without a will', connect(5, '22', '000000'), 0x81],
    ['[MQTT-3.1.2-12] will QoS 3', connect(4, '1e', `0000${text('w')}0000`), 0x81],
    ['[MQTT-3.1.2-22] a password without a user name, 3.1.1', connect(4, '42', `0000${text('p')}`), 0x81],
    ['an empty will topic', connect(4, '06', '000000000000'), 0x82],
    ['a wildcard in the will topic', connect(4, '06', `0000${text('a/#')}0000`), 0x81],
    ['a will that is said to be UTF-8 and is not', connect(5, '06', `000000020101${text('w')}0001ff`), 0x99],
    ['another protocol', '100a 0003 484545 05 02 003c 00', 0x81],
    ['MQTT 3.1', `100e 0006 4d5149736470 03 02 003c 0000`, 0x84],
    ['a bridge’s version bit', connect(0x84, '02', '0000'), 0x84],
    ['MQTT 6', connect(6, '02', '0000'), 0x84],
    ['nothing after the flags', connect(4, '02', ''), 0x81],
    ['bytes after the client id', connect(4, '02', '000000'), 0x81],
    ['U+0000 in the client id', connect(4, '02', '000100'), 0x81],
    ['receive maximum 0', connect(5, '02', '032100000000'), 0x82],
    ['maximum packet size 0', connect(5, '02', '0527000000000000'), 0x82],
    ['request problem information 2', connect(5, '02', '0217020000'), 0x82],
    ['authentication data without a method', connect(5, '02', '04160001aa0000'), 0x82],
    ['a property of another packet', connect(5, '02', '03230001'), 0x82],
    ['a property twice', connect(5, '02', '062100012100010000'), 0x82],
    ['a property of servers', connect(5, '02', '0324010000'), 0x82],
    ['an unknown property', connect(5, '02', '02ee010000'), 0x81],
    ['properties beyond the packet', connect(5, '02', '7f0000'), 0x81],
    ['a length with a byte too many', `108d00${hello[5].slice(4)}`, 0x81],
    ['PINGREQ before it', 'c000', 0x82],
    ['HTTP before it', Buffer.from('GET / HTTP/1.1').toString('hex'), 0x82],
  ])('%s', (_, hex, reasonCode) => {
    expect(() => decode(hex)).toThrow(refusal(reasonCode))
  })

  test('[MQTT-3.1.2-22] MQTT 5 takes a password alone', () => {
    expect(decode(connect(5, '42', `000000${text('p')}`))).toMatchObject([{ password: Buffer.from('p') }])
  })

  test('[MQTT-3.1.0-2] only once', () => {
    expect(() => decode(hello[4], { version: 4 })).toThrow(refusal(0x82))
  })
})

describe.each([4, 5] as const)('after a CONNECT of version %s', (version) => {
  const none = version === 5 ? '00' : ''
  const length = (hex: string) => (hex.length / 2).toString(16).padStart(2, '0')
  const packet = (header: string, body: string) => header + length(body) + body

  test.each([
    ['type 0', '0000', 0x81],
    ['[MQTT-3.3.1-4] QoS 3', packet('36', `${text('a')}0001${none}`), 0x81],
    ['[MQTT-3.3.1-2] DUP at QoS 0', packet('38', `${text('a')}${none}`), 0x81],
    ['[MQTT-2.2.1-2] packet id 0 of PUBLISH', packet('32', `${text('a')}0000${none}`), 0x81],
    ['[MQTT-3.3.2-2] a wildcard in a topic', packet('30', `${text('a/+')}${none}`), 0x81],
    ['[MQTT-4.7.3-1] an empty topic', packet('30', `0000${none}`), 0x82],
    ['[MQTT-1.5.4-2] U+0000 in a topic', packet('30', `0003610062${none}`), 0x81],
    ['[MQTT-1.5.4-1] an ill-formed topic', packet('30', `0002fffe${none}`), 0x81],
    ['[MQTT-1.5.4-1] an overlong form', packet('30', `0002c0af${none}`), 0x81],
    ['[MQTT-1.5.4-1] a surrogate', packet('30', `0003eda080${none}`), 0x81],
    ['a topic beyond the packet', '300300ff61', 0x81],
    ['PUBLISH without room for a packet id', packet('32', text('a')), 0x81],
    ['[MQTT-2.1.3-1] flags of SUBSCRIBE', packet('80', `0001${none}${text('a')}00`), 0x81],
    ['flags of PINGREQ', 'c100', 0x81],
    ['flags of PUBREL', '60020001', 0x81],
    ['flags of PUBACK', '41020001', 0x81],
    ['flags of DISCONNECT', 'e100', 0x81],
    ['PINGREQ with a body', 'c00100', 0x81],
    ['[MQTT-3.8.3-2] SUBSCRIBE without a filter', packet('82', `0001${none}`), 0x82],
    ['packet id 0 of SUBSCRIBE', packet('82', `0000${none}${text('a')}00`), 0x81],
    ['QoS 3 of SUBSCRIBE', packet('82', `0001${none}${text('a')}03`), 0x81],
    ['reserved option bits', packet('82', `0001${none}${text('a')}40`), 0x81],
    ['a filter without options', packet('82', `0001${none}${text('a')}`), 0x81],
    ['[MQTT-4.7.1-2] the filter a+', packet('82', `0001${none}${text('a+')}00`), 0x81],
    ['[MQTT-4.7.1-1] the filter a/#/b', packet('82', `0001${none}${text('a/#/b')}00`), 0x81],
    ['[MQTT-4.7.3-1] an empty filter', packet('82', `0001${none}000000`), 0x81],
    ['the filter __proto__', packet('82', `0001${none}${text('__proto__')}00`), 0x8f],
    ['[MQTT-3.10.3-2] UNSUBSCRIBE without a filter', packet('a2', `0001${none}`), 0x82],
    ['packet id 0 of UNSUBSCRIBE', packet('a2', `0000${none}${text('a')}`), 0x81],
    ['packet id 0 of PUBACK', '40020000', 0x81],
    ['PUBACK without a packet id', '400101', 0x81],
    ['CONNACK', packet('20', `0000${none}`), 0x82],
    ['SUBACK', packet('90', `0001${none}00`), 0x82],
    ['UNSUBACK', 'b0020001', 0x82],
    ['PINGRESP', 'd000', 0x82],
    ['type 15', 'f000', version === 5 ? 0x82 : 0x81],
    ['five length bytes', '30ffffffff7f', 0x81],
    ['a packet above the limit', '30ffffff7f', 0x95],
    ['100 levels too many', packet('30', `0078${'61'.padEnd(240, '2f')}${none}`), 0x90],
  ])('%s', (_, hex, reasonCode) => {
    expect(() => decode(hex, { version })).toThrow(refusal(reasonCode))
  })

  test('U+FFFD and a byte order mark that are really there', () => {
    const packets = decode(packet('30', `0007${Buffer.from('\ufeffa\ufffd').toString('hex')}${none}`), { version })
    expect(packets).toMatchObject([{ topic: '\ufeffa\ufffd' }])
  })

  test('a topic in UTF-8 is not taken for one whose characters are its bytes', () => {
    const [latin, utf8] = [Buffer.from('Ã©'), Buffer.from('é')]
    const publish = (topic: Buffer) => packet('30', `000${topic.length}${topic.toString('hex')}${none}`)
    const packets = decode(publish(latin) + publish(utf8) + publish(utf8), { version })
    expect(packets.map((one) => one.cmd === 'publish' && one.topic)).toEqual(['Ã©', 'é', 'é'])
  })

  test('every acknowledgement and leaving', () => {
    const packets = decode('40020001 50020002 62020003 70020004 c000 e000', { version })
    expect(packets).toMatchObject([
      { cmd: 'puback', messageId: 1, reasonCode: 0 },
      { cmd: 'pubrec', messageId: 2 },
      { cmd: 'pubrel', messageId: 3 },
      { cmd: 'pubcomp', messageId: 4 },
      { cmd: 'pingreq' },
      { cmd: 'disconnect', reasonCode: 0 },
    ])
  })
})

describe('MQTT 3.1.1 alone', () => {
  test.each([
    ['PUBACK of 3 bytes', '4003000100'],
    ['DISCONNECT with a body', 'e00100'],
    ['options that only MQTT 5 has', '82060001 0001 61 04'],
  ])('%s', (_, hex) => {
    expect(() => decode(hex, { version: 4 })).toThrow(refusal(0x81))
  })
})

describe('MQTT 5 alone', () => {
  test.each([
    ['[MQTT-1.5.5-1] a length that is not minimal', 'c08000', 0x81],
    ['[MQTT-3.3.4-6] a subscription identifier of a client', '3006 000161 02 0b01', 0x82],
    ['[MQTT-3.3.2-14] a wildcard in the response topic', '3008 000161 04 08000123', 0x81],
    ['a payload format indicator 2', '3006 000161 02 0102', 0x82],
    ['subscription identifier 0', '82090001 02 0b00 0001 61 00', 0x82],
    ['two subscription identifiers', '820b0001 04 0b010b02 0001 61 00', 0x82],
    ['retain handling 3', '82070001 00 0001 61 30', 0x82],
    [
      '[MQTT-3.8.3-4] no local on a shared subscription',
      `82 10 0001 00 000a ${Buffer.from('$share/g/a').toString('hex')} 04`,
      0x82,
    ],
    [
      '[MQTT-4.8.2-1] a shared subscription without a filter',
      `82 0e 0001 00 0008 ${Buffer.from('$share/g').toString('hex')} 00`,
      0x81,
    ],
    [
      '[MQTT-4.8.2-2] a wildcard in the share name',
      `82 10 0001 00 000a ${Buffer.from('$share/+/a').toString('hex')} 00`,
      0x81,
    ],
    ['a reason code of PUBREL in PUBACK', '4003000192', 0x82],
    ['a reason code of PUBACK in PUBREL', '6203000110', 0x82],
    ['bytes after the properties of PUBACK', '40050001000000', 0x81],
    ['a server’s reason to disconnect', 'e0018b', 0x82],
    ['[MQTT-3.14.2-2] to keep a session that ends', 'e007 00 05 1100000001', 0x82],
    ['a server reference in DISCONNECT', 'e006 00 04 1c000161', 0x82],
    ['AUTH', 'f0021800', 0x82],
  ])('%s', (_, hex, reasonCode) => {
    expect(() => decode(hex, { version: 5 })).toThrow(refusal(reasonCode))
  })

  test('user properties keep their order, and names that mean something to JavaScript are names', () => {
    const pair = (name: string, value: string) => `26${text(name)}${text(value)}`
    const pairs = [
      ['b', '1'],
      ['__proto__', 'x'],
      ['a', '2'],
      ['b', '3'],
    ] as [string, string][]
    const properties = pairs.map(([name, value]) => pair(name, value)).join('')
    const body = `${text('t')}${(properties.length / 2).toString(16)}${properties}`
    expect(decode(`30${(body.length / 2).toString(16)}${body}`, { version: 5 })).toMatchObject([
      { properties: { userProperties: pairs } },
    ])
  })
})

test('a client that sends byte by byte is held in about twice of what it has sent', () => {
  const decoder = new Decoder(300_000)
  decoder.push(Buffer.from(hello[4], 'hex'))
  decoder.next()
  // A PUBLISH of 262,143 bytes, of which 1,000 come.
  for (const byte of Buffer.concat([Buffer.from('30ffff0f000161', 'hex'), Buffer.alloc(993)])) {
    decoder.push(Buffer.of(byte))
    expect(decoder.next()).toBeUndefined()
  }
  expect(decoder.pending).toBe(1_000)
  expect(decoder.capacity).toBeLessThan(3_000)
})
