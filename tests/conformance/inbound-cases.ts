/** What the standards forbid a client to send, by section; bytes in, expected reaction out. */

export interface Case {
  /** Section of MQTT 5 and, where it has one, the number of the statement. */
  rule: string
  /** Hex; after an accepted CONNECT. */
  bytes: string
  /** MQTT 5: the reason code of the DISCONNECT. MQTT 3.1.1 is closed without a word. */
  code: number
}

const hex = (value: string) => Buffer.from(value).toString('hex')
const counted = (content: string) => (content.length / 2).toString(16).padStart(4, '0') + content
/** A UTF-8 string. */
export const text = (value: string) => counted(hex(value))
/** Fixed header and body. */
export const packet = (header: string, ...body: string[]) => {
  const content = body.join('')
  const length = content.length / 2
  if (length > 127) throw new Error('too long for a table')
  return header + length.toString(16).padStart(2, '0') + content
}
const topic = text('fleets/default/devices/x/telemetry')
const properties = (content: string) => (content.length / 2).toString(16).padStart(2, '0') + content

const [malformed, wrong] = [0x81, 0x82]

/** The same for both versions: `none` are the empty properties that MQTT 5 has. */
export const ofBoth = (version: 4 | 5): Case[] => {
  const none = version === 5 ? '00' : ''
  const publish = (header: string, name: string, ...rest: string[]) => packet(header, name, ...rest)
  return [
    {
      rule: '1.5.4 [MQTT-1.5.4-1] ill-formed UTF-8 in a topic',
      bytes: publish('30', counted('fffe'), none),
      code: malformed,
    },
    { rule: '1.5.4 [MQTT-1.5.4-1] an overlong encoding', bytes: publish('30', counted('c0af'), none), code: malformed },
    { rule: '1.5.4 [MQTT-1.5.4-1] a surrogate', bytes: publish('30', counted('eda080'), none), code: malformed },
    { rule: '1.5.4 [MQTT-1.5.4-1] above U+10FFFF', bytes: publish('30', counted('f4908080'), none), code: malformed },
    { rule: '1.5.4 [MQTT-1.5.4-2] U+0000 in a topic', bytes: publish('30', counted('610062'), none), code: malformed },
    {
      rule: '1.5.4 [MQTT-1.5.4-2] U+0000 in a filter',
      bytes: packet('82', '0001', none, counted('610062'), '00'),
      code: malformed,
    },
    {
      rule: '1.5.4 [MQTT-1.5.4-1] ill-formed UTF-8 in a filter',
      bytes: packet('a2', '0001', none, counted('ff')),
      code: malformed,
    },
    { rule: '1.5.4 a string that is longer than its packet', bytes: packet('30', '00ff61'), code: malformed },
    { rule: '1.5.5 a length of five bytes', bytes: '30ffffffff7f', code: malformed },
    { rule: '2.1.2 packet type 0', bytes: '0000', code: malformed },
    { rule: '2.1.2 CONNACK from a client', bytes: packet('20', '0000', none), code: wrong },
    { rule: '2.1.2 SUBACK from a client', bytes: packet('90', '0001', none, '00'), code: wrong },
    { rule: '2.1.2 UNSUBACK from a client', bytes: packet('b0', '0001'), code: wrong },
    { rule: '2.1.2 PINGRESP from a client', bytes: 'd000', code: wrong },
    { rule: '2.1.3 [MQTT-2.1.3-1] reserved flags of PUBACK', bytes: packet('41', '0001'), code: malformed },
    { rule: '2.1.3 [MQTT-2.1.3-1] reserved flags of PUBREC', bytes: packet('52', '0001'), code: malformed },
    { rule: '2.1.3 [MQTT-2.1.3-1] reserved flags of PUBCOMP', bytes: packet('71', '0001'), code: malformed },
    { rule: '2.1.3 [MQTT-2.1.3-1] reserved flags of PINGREQ', bytes: 'c800', code: malformed },
    { rule: '2.1.3 [MQTT-2.1.3-1] reserved flags of DISCONNECT', bytes: 'e100', code: malformed },
    {
      rule: '2.2.1 [MQTT-2.2.1-3] SUBSCRIBE with packet id 0',
      bytes: packet('82', '0000', none, text('a'), '00'),
      code: malformed,
    },
    {
      rule: '2.2.1 [MQTT-2.2.1-3] UNSUBSCRIBE with packet id 0',
      bytes: packet('a2', '0000', none, text('a')),
      code: malformed,
    },
    {
      rule: '2.2.1 [MQTT-2.2.1-4] PUBLISH with packet id 0',
      bytes: publish('32', topic, '0000', none),
      code: malformed,
    },
    { rule: '3.1.0 [MQTT-3.1.0-2] a second CONNECT', bytes: '100c00044d5154540402003c0000', code: wrong },
    { rule: '3.3.1 [MQTT-3.3.1-2] DUP at QoS 0', bytes: publish('38', topic, none), code: malformed },
    { rule: '3.3.1 [MQTT-3.3.1-4] QoS 3', bytes: publish('36', topic, '0001', none), code: malformed },
    { rule: '3.3.2 [MQTT-3.3.2-2] + in a topic', bytes: publish('30', text('a/+'), none), code: malformed },
    { rule: '3.3.2 [MQTT-3.3.2-2] # in a topic', bytes: publish('30', text('a/#'), none), code: malformed },
    { rule: '3.4 PUBACK without a packet id', bytes: packet('40', '01'), code: malformed },
    { rule: '3.6.1 [MQTT-3.6.1-1] reserved flags of PUBREL', bytes: packet('60', '0001'), code: malformed },
    {
      rule: '3.8.1 [MQTT-3.8.1-1] reserved flags of SUBSCRIBE',
      bytes: packet('80', '0001', none, text('a'), '00'),
      code: malformed,
    },
    { rule: '3.8.3 [MQTT-3.8.3-2] SUBSCRIBE without a filter', bytes: packet('82', '0001', none), code: wrong },
    { rule: '3.8.3 a filter without its options', bytes: packet('82', '0001', none, text('a')), code: malformed },
    { rule: '3.8.3 QoS 3 asked for', bytes: packet('82', '0001', none, text('a'), '03'), code: malformed },
    {
      rule: '3.8.3 [MQTT-3.8.3-5] reserved option bits',
      bytes: packet('82', '0001', none, text('a'), 'c0'),
      code: malformed,
    },
    {
      rule: '3.10.1 [MQTT-3.10.1-1] reserved flags of UNSUBSCRIBE',
      bytes: packet('a0', '0001', none, text('a')),
      code: malformed,
    },
    { rule: '3.10.3 [MQTT-3.10.3-2] UNSUBSCRIBE without a filter', bytes: packet('a2', '0001', none), code: wrong },
    { rule: '3.12 PINGREQ with a body', bytes: packet('c0', '00'), code: malformed },
    {
      rule: '4.7.1 [MQTT-4.7.1-1] # that is not last',
      bytes: packet('82', '0001', none, text('a/#/b'), '00'),
      code: malformed,
    },
    {
      rule: '4.7.1 [MQTT-4.7.1-1] # that is not a whole level',
      bytes: packet('82', '0001', none, text('a#'), '00'),
      code: malformed,
    },
    {
      rule: '4.7.1 [MQTT-4.7.1-2] + that is not a whole level',
      bytes: packet('82', '0001', none, text('a+/b'), '00'),
      code: malformed,
    },
    { rule: '4.7.3 [MQTT-4.7.3-1] an empty filter', bytes: packet('82', '0001', none, '0000', '00'), code: malformed },
    { rule: '4.7.3 [MQTT-4.7.3-1] an empty topic', bytes: publish('30', '0000', none), code: wrong },
    { rule: '3.3.4 a packet above the maximum, of which only the header comes', bytes: '30ffffff7f', code: 0x95 },
  ]
}

/** MQTT 3.1.1 alone, in its own numbering: closed. */
export const of4: Omit<Case, 'code'>[] = [
  { rule: '2.2 packet type 15', bytes: 'f000' },
  { rule: '3.4 PUBACK of three bytes', bytes: packet('40', '000100') },
  { rule: '3.8.3 [MQTT-3-8.3-4] options that only MQTT 5 has', bytes: packet('82', '0001', text('a'), '04') },
  { rule: '3.14 DISCONNECT with a body', bytes: packet('e0', '00') },
]

export const of5: Case[] = [
  { rule: '1.5.5 [MQTT-1.5.5-1] a length that is not in the fewest bytes', bytes: 'c08000', code: malformed },
  { rule: '2.2.2.2 a property that does not exist', bytes: packet('30', topic, properties('7f00')), code: malformed },
  { rule: '2.2.2.2 a property of another packet', bytes: packet('30', topic, properties('1100000001')), code: wrong },
  {
    rule: '2.2.2.2 a property that only servers send',
    bytes: packet('82', '0001', properties('130001'), text('a'), '00'),
    code: wrong,
  },
  { rule: '2.2.2.2 a property twice', bytes: packet('30', topic, properties('01010101')), code: wrong },
  {
    rule: '2.2.2.1 properties that are longer than their packet',
    bytes: packet('30', topic, '7f0100'),
    code: malformed,
  },
  {
    rule: '2.2.2.1 a property that is longer than the properties',
    bytes: packet('30', topic, properties('0200')),
    code: malformed,
  },
  { rule: '3.3.2.3.2 payload format indicator 2', bytes: packet('30', topic, properties('0102')), code: wrong },
  { rule: '3.3.2.3.4 [MQTT-3.3.2-8] topic alias 0', bytes: packet('30', topic, properties('230000')), code: 0x94 },
  {
    rule: '3.3.2.3.4 [MQTT-3.3.2-9] a topic alias above the maximum',
    bytes: packet('30', topic, properties('23ffff')),
    code: 0x94,
  },
  {
    rule: '3.3.4 a topic alias that stands for nothing',
    bytes: packet('30', '0000', properties('230001')),
    code: 0x94,
  },
  {
    rule: '3.3.2.3.5 [MQTT-3.3.2-14] a wildcard in the response topic',
    bytes: packet('30', topic, properties(`08${text('a/#')}`)),
    code: malformed,
  },
  {
    rule: '3.3.2.3.8 [MQTT-3.3.4-6] a subscription identifier of a client',
    bytes: packet('30', topic, properties('0b01')),
    code: wrong,
  },
  { rule: '3.4.2.1 a reason code that PUBACK does not have', bytes: packet('40', '000192'), code: wrong },
  { rule: '3.5.2.1 a reason code that PUBREC does not have', bytes: packet('50', '000101'), code: wrong },
  { rule: '3.6.2.1 a reason code that PUBREL does not have', bytes: packet('62', '000110'), code: wrong },
  { rule: '3.7.2.1 a reason code that PUBCOMP does not have', bytes: packet('70', '000180'), code: wrong },
  {
    rule: '3.8.2.1.2 subscription identifier 0',
    bytes: packet('82', '0001', properties('0b00'), text('a'), '00'),
    code: wrong,
  },
  {
    rule: '3.8.2.1.2 two subscription identifiers',
    bytes: packet('82', '0001', properties('0b010b02'), text('a'), '00'),
    code: wrong,
  },
  { rule: '3.8.3.1 retain handling 3', bytes: packet('82', '0001', '00', text('a'), '30'), code: wrong },
  {
    rule: '3.8.3.1 [MQTT-3.8.3-4] no local on a shared subscription',
    bytes: packet('82', '0001', '00', text('$share/g/a'), '04'),
    code: wrong,
  },
  { rule: '3.14.2.1 a server’s reason to disconnect', bytes: packet('e0', '8b'), code: wrong },
  {
    rule: '3.14.2.2.2 to keep a session that ends with its connection',
    bytes: packet('e0', '00', properties('1100000e10')),
    code: wrong,
  },
  { rule: '3.15 AUTH without an authentication method', bytes: packet('f0', '1800'), code: wrong },
  {
    rule: '4.8.2 [MQTT-4.8.2-1] a shared subscription without a name',
    bytes: packet('82', '0001', '00', text('$share//a'), '00'),
    code: malformed,
  },
  {
    rule: '4.8.2 [MQTT-4.8.2-1] a shared subscription without a filter',
    bytes: packet('82', '0001', '00', text('$share/g/'), '00'),
    code: malformed,
  },
  {
    rule: '4.8.2 [MQTT-4.8.2-2] a wildcard in the share name',
    bytes: packet('82', '0001', '00', text('$share/+/a'), '00'),
    code: malformed,
  },
]

/** The beginning: whole CONNECT packets. `code`: of the CONNACK in MQTT 5; without, nothing is answered. */
export const connects: { rule: string; bytes: string; code?: number; returnCode?: number }[] = [
  { rule: '3.1.0 [MQTT-3.1.0-1] another packet first', bytes: 'c000' },
  { rule: '3.1.2.1 [MQTT-3.1.2-1] another protocol name', bytes: packet('10', text('MQTX'), '0502003c000000') },
  {
    rule: '3.1.2.2 [MQTT-3.1.2-2] a version to come',
    bytes: packet('10', text('MQTT'), '0602003c000000'),
    returnCode: 1,
  },
  { rule: '3.1.2.2 MQTT 3.1', bytes: packet('10', text('MQIsdp'), '0302003c0000'), returnCode: 1 },
  { rule: '3.1.2.3 [MQTT-3.1.2-3] the reserved flag, 3.1.1', bytes: packet('10', text('MQTT'), '0403003c0000') },
  {
    rule: '3.1.2.3 [MQTT-3.1.2-3] the reserved flag',
    bytes: packet('10', text('MQTT'), '0503003c000000'),
    code: malformed,
  },
  {
    rule: '3.1.2.6 [MQTT-3.1.2-11] will QoS without a will',
    bytes: packet('10', text('MQTT'), '050a003c000000'),
    code: malformed,
  },
  {
    rule: '3.1.2.6 [MQTT-3.1.2-12] will QoS 3',
    bytes: packet('10', text('MQTT'), '051e003c00000000', text('w'), '0000'),
    code: malformed,
  },
  {
    rule: '3.1.2.7 [MQTT-3.1.2-13] will retain without a will',
    bytes: packet('10', text('MQTT'), '0522003c000000'),
    code: malformed,
  },
  {
    rule: '[MQTT-3.1.2-22] of 3.1.1: a password without a user name',
    bytes: packet('10', text('MQTT'), '0442003c0000', text('p')),
  },
  {
    rule: '3.1.2.11.3 receive maximum 0',
    bytes: packet('10', text('MQTT'), '0502003c', properties('210000'), '0000'),
    code: wrong,
  },
  {
    rule: '3.1.2.11.4 maximum packet size 0',
    bytes: packet('10', text('MQTT'), '0502003c', properties('2700000000'), '0000'),
    code: wrong,
  },
  {
    rule: '3.1.2.11.6 request response information 2',
    bytes: packet('10', text('MQTT'), '0502003c', properties('1902'), '0000'),
    code: wrong,
  },
  {
    rule: '3.1.2.11.7 request problem information 2',
    bytes: packet('10', text('MQTT'), '0502003c', properties('1702'), '0000'),
    code: wrong,
  },
  {
    rule: '3.1.2.11.9 [MQTT-4.12.0-1] an authentication method',
    bytes: packet('10', text('MQTT'), '0502003c', properties(`15${text('x')}`), '0000'),
    code: 0x8c,
  },
  {
    rule: '3.1.2.11.10 authentication data without a method',
    bytes: packet('10', text('MQTT'), '0502003c', properties('16000161'), '0000'),
    code: wrong,
  },
  {
    rule: '3.1.3.3 [MQTT-3.1.3-11] an empty will topic',
    bytes: packet('10', text('MQTT'), '0506003c00000000', '0000', '0000'),
    code: wrong,
  },
  {
    rule: '3.1.3.3 a wildcard in the will topic',
    bytes: packet('10', text('MQTT'), '0506003c00000000', text('a/#'), '0000'),
    code: malformed,
  },
  {
    rule: '3.1.3.2.3 a will that is not the UTF-8 it is said to be',
    bytes: packet('10', text('MQTT'), '0506003c000000', properties('0101'), text('w'), counted('ff')),
    code: 0x99,
  },
  {
    rule: '3.1.3.1 [MQTT-3.1.3-4] a client id that is not UTF-8',
    bytes: packet('10', text('MQTT'), '0502003c00', counted('ff')),
    code: malformed,
  },
  { rule: '3.1.3 more than the flags say', bytes: packet('10', text('MQTT'), '0502003c000000', '00'), code: malformed },
  { rule: '3.1.3 less than the flags say', bytes: packet('10', text('MQTT'), '0582003c000000'), code: malformed },
]
