import { describe, expect, test } from 'vitest'
import { judgeStart } from './first-bytes.ts'

const hello = Buffer.from('160301000401000000', 'hex')
const stranger = { isBalancer: false }
const balancer = { isBalancer: true }
const header = Buffer.from('PROXY TCP4 203.0.113.9 192.0.2.1 54321 8883\r\n')

describe('how a connection begins', () => {
  test('with a whole ClientHello, however it is split', () => {
    for (let length = 0; length < hello.length; length++)
      expect(judgeStart(hello.subarray(0, length), stranger)).toBeUndefined()
    expect(judgeStart(hello, stranger)).toEqual({ skip: 0, address: undefined })
    expect(judgeStart(Buffer.concat([hello, hello]), stranger)).toEqual({ skip: 0, address: undefined })
  })

  test('with the header of a balancer in front of it, however it is split', () => {
    const whole = Buffer.concat([header, hello])
    for (let length = 0; length < whole.length; length++)
      expect(judgeStart(whole.subarray(0, length), balancer)).toBeUndefined()
    expect(judgeStart(whole, balancer)).toEqual({ skip: header.length, address: '203.0.113.9' })
  })

  test.each<[string, string, string, Buffer]>([
    ['MQTT', 'tls-required', 'MQTT without TLS', Buffer.from('101000044d5154540402003c000461626364', 'hex')],
    ['MQTT 3.1', 'tls-required', 'MQTT without TLS', Buffer.from('101200064d51497364700302003c000461626364', 'hex')],
    ['a long CONNECT', 'tls-required', 'MQTT without TLS', Buffer.from('10ff0100044d515454', 'hex')],
    ['HTTP', 'tls-required', 'HTTP without TLS', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['HTTP/2', 'tls-required', 'HTTP without TLS', Buffer.from('PRI * HTTP/2.0\r\n\r\n')],
    ['PROXY from a stranger', 'proxy-header', 'MUSTER_PROXY_FROM', header],
    [
      'PROXY 2 from a stranger',
      'proxy-header',
      'MUSTER_PROXY_FROM',
      Buffer.from('0d0a0d0a000d0a515549540a2100', 'hex'),
    ],
    ['garbage', 'tls-required', 'neither', Buffer.alloc(40, 7)],
    ['SSL 2', 'tls-required', 'neither', Buffer.from('802e0100020015000000100100800700c0', 'hex')],
    ['an empty record', 'tls-required', 'malformed', Buffer.from('1603010000', 'hex')],
    ['a record above the bound', 'tls-required', 'malformed', Buffer.from('1603014001', 'hex')],
    ['a record of another protocol', 'tls-required', 'malformed', Buffer.from('1602010010', 'hex')],
    ['a ServerHello', 'tls-required', 'not a ClientHello', Buffer.from('160301000402000000', 'hex')],
  ])('refused: %s', (_, code, detail, bytes) => {
    expect(() => judgeStart(bytes, stranger)).toThrow(expect.objectContaining({ code }))
    expect(() => judgeStart(bytes, stranger)).toThrow(detail)
  })

  test('refused: a balancer that sends no header', () => {
    expect(() => judgeStart(hello, balancer)).toThrow(expect.objectContaining({ code: 'proxy-header' }))
  })

  test('refused: two headers', () => {
    const twice = Buffer.concat([header, header, hello])
    expect(() => judgeStart(twice, balancer)).toThrow(expect.objectContaining({ code: 'proxy-header' }))
  })
})
