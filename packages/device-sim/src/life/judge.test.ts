import { MusterError } from '@muster/contracts'
import { expect, test } from 'vitest'
import { ConnectFailure } from '../client/connect-options.ts'
import { judgeDisconnect, judgeFailure } from './judge.ts'

test.each([
  [new ConnectFailure('refused:135', 0x87, 'device-revoked: out'), 5, true, 'device-revoked'],
  [new ConnectFailure('refused:135', 0x87), 5, true, '0x87'],
  [new ConnectFailure('refused:136', 0x88, 'unavailable: in a while'), 5, false, 'unavailable'],
  [new ConnectFailure('refused:151', 0x97), 5, false, '0x97'],
  [new ConnectFailure('refused:5', 5), 4, true, '0x05'],
  [new ConnectFailure('refused:3', 3), 4, false, '0x03'],
  [new ConnectFailure('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA'), 5, true, 'err_ssl_tlsv1_alert_unknown_ca'],
  [new ConnectFailure('ECONNRESET'), 5, false, 'econnreset'],
  [new ConnectFailure('timeout'), 5, false, 'timeout'],
  [new MusterError('device-suspended', 'for a while'), 5, true, 'device-suspended'],
  [Object.assign(new Error('x'), { code: 'ENOENT' }), 5, false, 'enoent'],
] as const)('%s, MQTT level %i: refused %s, %s', (error, version, refused, code) => {
  expect(judgeFailure(error, version)).toEqual({ refused, code })
})

test.each([
  [0x98, 'device-revoked: out', true, 'device-revoked'],
  [0x8e, '', true, '0x8e'],
  [0x87, 'subscribe-denied: that one', false, 'subscribe-denied'],
  [0x89, 'unavailable: cannot store', false, 'unavailable'],
  [undefined, '', false, 'lost'],
] as const)('DISCONNECT %s "%s": refused %s, %s', (reasonCode, reason, refused, code) => {
  expect(judgeDisconnect(reasonCode, reason)).toEqual({ refused, code })
})
