/** What no client may send, by section of RFC 8446 or MQTT 5; hex. */
export interface MalformedCase {
  rule: string
  bytes: string
}

const hex = (value: string) => Buffer.from(value).toString('hex')
const counted = (content: string) => (content.length / 2).toString(16).padStart(4, '0') + content
const text = (value: string) => counted(hex(value))
const packet = (header: string, ...body: string[]) => {
  const content = body.join('')
  return header + (content.length / 2).toString(16).padStart(2, '0') + content
}
/** Flags, keep alive, properties, then an empty client id. */
const connect = (name: string, level: string, flags: string, rest = `003c00${text('')}`) =>
  packet('10', text(name), level, flags, rest)

/** On the TCP connection, in place of TLS. */
export const wireCases: MalformedCase[] = [
  { rule: 'plain HTTP', bytes: hex('GET / HTTP/1.1\r\nHost: broker\r\n\r\n') },
  { rule: 'plain MQTT', bytes: connect('MQTT', '05', '02') },
  { rule: 'zeros', bytes: '00'.repeat(64) },
  { rule: 'RFC 8446 5.1 a record that is too long', bytes: `160301ffff${'00'.repeat(32)}` },
  { rule: 'RFC 8446 5.1 application data first', bytes: `1703030005${hex('hello')}` },
  { rule: 'RFC 8446 6 an alert first', bytes: '15030300020228' },
  { rule: 'RFC 8446 4.1.2 no cipher suite', bytes: `160301002d010000290303${'61'.repeat(32)}00000001000000` },
  { rule: 'RFC 8446 4 a second ServerHello', bytes: '160303000402000000' },
  { rule: 'SSL 2.0', bytes: `802e0100020015000000100100800200800300800400800500800600400700c0${'62'.repeat(16)}` },
]

/** As the first packet, over TLS. */
export const openingCases: MalformedCase[] = [
  { rule: '3.1.0 [MQTT-3.1.0-1] PUBLISH first', bytes: packet('30', text('a')) },
  { rule: '3.1.0 [MQTT-3.1.0-1] SUBSCRIBE first', bytes: packet('82', '0001', text('a'), '00') },
  { rule: '3.1.0 [MQTT-3.1.0-1] PINGREQ first', bytes: 'c000' },
  { rule: '3.1.2 [MQTT-3.1.2-1] another protocol', bytes: connect('MQTX', '05', '02') },
  { rule: '3.1.2 [MQTT-3.1.2-2] another level', bytes: connect('MQTT', '09', '02') },
  { rule: '3.1.2 [MQTT-3.1.2-3] the reserved flag', bytes: connect('MQTT', '05', '03') },
  { rule: '3.1.2 [MQTT-3.1.2-12] a will of QoS 3', bytes: connect('MQTT', '05', '1e') },
  { rule: '3.1.3 a client id that is longer than its packet', bytes: connect('MQTT', '05', '02', '003c0000ff61') },
  { rule: '1.5.5 a length of five bytes', bytes: '10ffffffff7f' },
]

/** After CONNECT. `none`: the empty properties that MQTT 5 has. */
export function packetCases(version: 4 | 5): MalformedCase[] {
  const none = version === 5 ? '00' : ''
  return [
    { rule: '1.5.4 [MQTT-1.5.4-1] ill-formed UTF-8 in a topic', bytes: packet('30', counted('fffe'), none) },
    { rule: '1.5.4 [MQTT-1.5.4-2] U+0000 in a filter', bytes: packet('82', '0001', none, counted('610062'), '00') },
    { rule: '1.5.4 a string that is longer than its packet', bytes: packet('30', '00ff61') },
    { rule: '1.5.5 a length of five bytes', bytes: '30ffffffff7f' },
    { rule: '2.1.2 packet type 0', bytes: '0000' },
    { rule: '2.1.2 CONNACK from a client', bytes: packet('20', '0000', none) },
    { rule: '2.1.3 [MQTT-2.1.3-1] reserved flags of PINGREQ', bytes: 'c800' },
    { rule: '2.2.1 [MQTT-2.2.1-3] SUBSCRIBE with packet id 0', bytes: packet('82', '0000', none, text('a'), '00') },
    { rule: '3.1.0 [MQTT-3.1.0-2] a second CONNECT', bytes: '100c00044d5154540402003c0000' },
    { rule: '3.3.1 [MQTT-3.3.1-4] QoS 3', bytes: packet('36', text('a'), '0001', none) },
    { rule: '3.3.2 [MQTT-3.3.2-2] # in a topic', bytes: packet('30', text('a/#'), none) },
    { rule: '3.6.1 [MQTT-3.6.1-1] reserved flags of PUBREL', bytes: packet('60', '0001') },
    { rule: '3.8.3 [MQTT-3.8.3-2] SUBSCRIBE without a filter', bytes: packet('82', '0001', none) },
    { rule: '3.8.3 QoS 3 asked for', bytes: packet('82', '0001', none, text('a'), '03') },
    { rule: '3.10.3 [MQTT-3.10.3-2] UNSUBSCRIBE without a filter', bytes: packet('a2', '0001', none) },
    { rule: '3.12 PINGREQ with a body', bytes: packet('c0', '00') },
    { rule: '4.7.1 [MQTT-4.7.1-1] # that is not last', bytes: packet('82', '0001', none, text('a/#/b'), '00') },
  ]
}
