import { type ErrorCode, MusterError } from '@muster/contracts'
import { describe, expect, test } from 'vitest'
import { createCertificatePenalties } from './certificate-penalties.ts'

const named = { fleet: 'default', group: 'default', device: 'gate', profile: 'device' as const }
const refuse = (code: ErrorCode = 'device-revoked') => ({ refusal: new MusterError(code, 'no'), who: named })

function setUp(maxCertificates = 100) {
  let at = 0
  const penalties = createCertificatePenalties({ maxCertificates, now: () => at })
  const strike = (certificate: string, times: number, code?: ErrorCode) => {
    for (let time = 0; time < times; time++) penalties.refused(certificate, refuse(code), penalties.moment())
  }
  const pass = (ms: number) => {
    at += ms
  }
  return { penalties, strike, pass }
}

describe('a refused certificate', () => {
  test('is asked about again twice, then remembered for a time that grows up to a minute', () => {
    const { penalties, strike, pass } = setUp()
    strike('a', 2)
    expect(penalties.find('a')).toBeUndefined()
    for (const ms of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
      strike('a', 1)
      pass(ms - 1)
      expect(penalties.find('a')?.refusal.code).toBe('device-revoked')
      pass(1)
      expect(penalties.find('a')).toBeUndefined()
    }
    expect(penalties.find('b')).toBeUndefined()
  })

  test('is forgotten when it has stayed away', () => {
    const { penalties, strike, pass } = setUp()
    strike('a', 3)
    pass(122_000)
    strike('a', 2)
    expect(penalties.find('a')).toBeUndefined()
  })

  test('is not held against for what the node or the CONNECT lacked', () => {
    const { penalties, strike } = setUp()
    strike('a', 50, 'unavailable')
    strike('b', 29, 'client-id-mismatch')
    expect([penalties.find('a'), penalties.find('b')]).toEqual([undefined, undefined])
    strike('b', 1, 'client-id-mismatch')
    expect(penalties.find('b')).toBeDefined()
  })

  test('is forgiven with its device, and only with that one', () => {
    const { penalties, strike } = setUp()
    strike('a', 5)
    penalties.forgive('default/other')
    expect(penalties.find('a')).toBeDefined()
    penalties.forgive('default/gate')
    expect(penalties.find('a')).toBeUndefined()
  })

  test('is not held against by a decision older than its pardon', () => {
    const { penalties, strike } = setUp()
    strike('a', 2)
    const before = penalties.moment()
    penalties.forgive('default/gate')
    for (let time = 0; time < 5; time++) penalties.refused('a', refuse(), before)
    expect(penalties.find('a')).toBeUndefined()
  })

  test('makes room for others, the longest unheard of first', () => {
    const { penalties, strike } = setUp(3)
    for (const certificate of ['a', 'b', 'c', 'a', 'd']) strike(certificate, 3)
    expect(penalties.size).toBe(3)
    expect(['a', 'b', 'c', 'd'].map((certificate) => penalties.find(certificate) !== undefined)).toEqual([
      ...[true, false, true, true],
    ])
    penalties.forgiveAll()
    expect(penalties.size).toBe(0)
  })
})
