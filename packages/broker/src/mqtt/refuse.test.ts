import { MusterError } from '@muster/contracts'
import { expect, test } from 'vitest'
import { encodeRefusal } from './refuse.ts'

test.each([
  ['certificate-unknown', '20020005'],
  ['device-revoked', '20020005'],
  ['will-denied', '20020005'],
  ['client-id-mismatch', '20020002'],
  ['unavailable', '20020003'],
] as const)('%s as an MQTT 3.1.1 CONNACK', (code, bytes) => {
  expect(encodeRefusal(new MusterError(code, 'why'), 4).toString('hex')).toBe(bytes)
})

test.each([
  ['certificate-unknown', 0x87],
  ['client-id-mismatch', 0x85],
  ['unavailable', 0x88],
  ['request-too-large', 0x95],
] as const)('%s as an MQTT 5 CONNACK with the code as its reason string', (code, reasonCode) => {
  const reason = `${code}: why`
  // Fixed header, no session, reason code, properties: reason string (0x1f).
  const expected = [0x20, 6 + reason.length, 0, reasonCode, 3 + reason.length, 0x1f, 0, reason.length]
  expect(encodeRefusal(new MusterError(code, 'why'), 5)).toEqual(Buffer.from([...expected, ...Buffer.from(reason)]))
})

test('other protocol versions are told that they are not spoken here', () => {
  expect(encodeRefusal(new MusterError('request-invalid', 'why'), 3).toString('hex')).toBe('20020001')
})
