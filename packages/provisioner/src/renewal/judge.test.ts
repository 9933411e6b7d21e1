import { MusterError } from '@muster/contracts'
import { expect, test } from 'vitest'
import { requireRenewable, type Standing } from './judge.ts'

const notBefore = new Date('2026-03-01T12:00:00Z')
const notAfter = new Date('2026-05-30T12:00:00Z')
const good: Standing = {
  certificateState: 'active',
  notBefore,
  notAfter,
  deviceState: 'active',
  issuerState: 'active',
  lateRenewalDays: 0,
}
const within = new Date('2026-05-01T00:00:00Z')
const daysAfter = (days: number) => new Date(notAfter.getTime() + days * 86_400_000)

function verdict(standing: Partial<Standing>, now = within): string {
  try {
    requireRenewable({ ...good, ...standing }, now)
    return 'good'
  } catch (error) {
    if (error instanceof MusterError) return error.code
    throw error
  }
}

test.each<[Partial<Standing>, string]>([
  [{}, 'good'],
  [{ certificateState: 'pending' }, 'good'],
  [{ certificateState: 'superseded' }, 'certificate-superseded'],
  [{ certificateState: 'revoked' }, 'certificate-revoked'],
  [{ issuerState: 'retiring' }, 'good'],
  [{ issuerState: 'retired' }, 'certificate-untrusted'],
  [{ deviceState: 'pending' }, 'device-pending'],
  [{ deviceState: 'suspended' }, 'device-suspended'],
  [{ deviceState: 'revoked' }, 'device-revoked'],
  [{ deviceState: 'revoked', certificateState: 'revoked' }, 'device-revoked'],
  [{ deviceState: 'retired' }, 'device-retired'],
  [{ deviceState: 'rejected' }, 'device-rejected'],
])('%o: %s', (standing, code) => {
  expect(verdict(standing)).toBe(code)
})

test.each<[Date, number, string]>([
  [new Date(notBefore.getTime() - 1), 0, 'certificate-not-yet-valid'],
  [new Date(notBefore.getTime() - 1), 3_650, 'certificate-not-yet-valid'],
  [new Date(0), 3_650, 'certificate-not-yet-valid'],
  [notBefore, 0, 'good'],
  [new Date(notAfter.getTime() - 1), 0, 'good'],
  [notAfter, 0, 'certificate-expired'],
  [notAfter, 1, 'good'],
  [new Date(daysAfter(7).getTime() - 1), 7, 'good'],
  [daysAfter(7), 7, 'certificate-expired'],
  [new Date('2040-01-01T00:00:00Z'), 30, 'certificate-expired'],
])('at %s with %i late days: %s', (now, lateRenewalDays, code) => {
  expect(verdict({ lateRenewalDays }, now)).toBe(code)
})

test('being late excuses nothing else', () => {
  const late = { lateRenewalDays: 30 }
  expect(verdict({ ...late, deviceState: 'revoked' }, daysAfter(1))).toBe('device-revoked')
  expect(verdict({ ...late, certificateState: 'superseded' }, daysAfter(1))).toBe('certificate-superseded')
})
