import { MusterError } from '@muster/contracts'
import { describe, expect, test } from 'vitest'
import { readProxyHeader } from './proxy-header.ts'

const signature = '0d0a0d0a000d0a515549540a'
const v2 = (command: string, family: string, body: string, length = body.length / 2) =>
  Buffer.from(`${signature}${command}${family}${length.toString(16).padStart(4, '0')}${body}`, 'hex')
const four = `${'cb007109'}${'c0000201'}${'d431'}${'22b3'}`
const six = `${'20010db8000000000000000000000042'}${'20010db8000000000000000000000001'}d43122b3`

const good: [string, Buffer, string | undefined][] = [
  ['version 1, IPv4', Buffer.from('PROXY TCP4 203.0.113.9 192.0.2.1 54321 8883\r\n'), '203.0.113.9'],
  ['version 1, IPv6', Buffer.from('PROXY TCP6 2001:DB8::42 2001:db8::1 54321 8883\r\n'), '2001:db8::42'],
  ['version 1, IPv4 in IPv6', Buffer.from('PROXY TCP6 ::ffff:203.0.113.9 ::1 1 2\r\n'), '203.0.113.9'],
  ['version 1, unknown', Buffer.from('PROXY UNKNOWN\r\n'), undefined],
  ['version 1, unknown with addresses', Buffer.from('PROXY UNKNOWN ffff:f::1 ffff:f::2 65535 65535\r\n'), undefined],
  ['version 2, IPv4', v2('21', '11', four), '203.0.113.9'],
  ['version 2, IPv6', v2('21', '21', six), '2001:db8::42'],
  ['version 2, IPv4 in IPv6', v2('21', '21', `00000000000000000000ffffcb007109${six.slice(32)}`), '203.0.113.9'],
  [
    'version 2, with TLVs',
    v2('21', '11', `${four}04000300000001000568747470310400 00`.replace(' ', '')),
    '203.0.113.9',
  ],
  ['version 2, local', v2('20', '00', ''), undefined],
  ['version 2, local with addresses', v2('20', '11', four), undefined],
]

describe('a PROXY header', () => {
  test.each(good)('%s', (_, header, address) => {
    const more = Buffer.from('1603', 'hex')
    expect(readProxyHeader(Buffer.concat([header, more]))).toEqual({ size: header.length, address })
    for (let length = 0; length < header.length; length++)
      expect(readProxyHeader(header.subarray(0, length))).toBeUndefined()
  })

  test.each<[string, Buffer | string]>([
    ['nothing of the kind', '\x16\x03\x01'],
    ['lower case', 'proxy TCP4 203.0.113.9 192.0.2.1 1 2\r\n'],
    ['a line without end', `PROXY TCP4 ${'1'.repeat(120)}`],
    ['a line with a bare line feed', 'PROXY TCP4 203.0.113.9 192.0.2.1 1 2\n\r\n'],
    ['a family that is not there', 'PROXY UDP4 203.0.113.9 192.0.2.1 1 2\r\n'],
    ['an address of another family', 'PROXY TCP4 ::1 192.0.2.1 1 2\r\n'],
    ['an address that is none', 'PROXY TCP4 203.0.113.999 192.0.2.1 1 2\r\n'],
    ['an address with leading zeros', 'PROXY TCP4 203.0.113.09 192.0.2.1 1 2\r\n'],
    ['an IPv6 zone', 'PROXY TCP6 fe80::1%lo fe80::2 1 2\r\n'],
    ['a port that is none', 'PROXY TCP4 203.0.113.9 192.0.2.1 65536 2\r\n'],
    ['a port with a sign', 'PROXY TCP4 203.0.113.9 192.0.2.1 +1 2\r\n'],
    ['a port left out', 'PROXY TCP4 203.0.113.9 192.0.2.1 1\r\n'],
    ['something more', 'PROXY TCP4 203.0.113.9 192.0.2.1 1 2 3\r\n'],
    ['version 3', v2('31', '11', four)],
    ['an unknown command', v2('22', '11', four)],
    ['UDP', v2('21', '12', four)],
    ['a unix socket', v2('21', '31', '00'.repeat(216))],
    ['no family', v2('21', '00', '')],
    ['IPv4 cut short', v2('21', '11', four.slice(0, -2))],
    ['IPv6 cut short', v2('21', '21', four)],
    ['a TLV that ends early', v2('21', '11', `${four}0400`)],
    ['a TLV longer than the header', v2('21', '11', `${four}040004000000`)],
    ['a length beyond the bound', v2('21', '11', four, 2_049)],
    ['the longest length there is', v2('21', '11', four, 65_535)],
  ])('is refused: %s', (_, header) => {
    const bytes = typeof header === 'string' ? Buffer.from(header, 'latin1') : header
    expect(() => readProxyHeader(bytes)).toThrow(expect.objectContaining({ code: 'proxy-header' }))
    expect(() => readProxyHeader(bytes)).toThrow(MusterError)
  })
})
