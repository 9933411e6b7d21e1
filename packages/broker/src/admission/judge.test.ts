import type { DeviceState } from '@muster/contracts'
import { describe, expect, test } from 'vitest'
import { judge, type RegistryRow } from './judge.ts'
import type { Peer } from './peer.ts'

const now = new Date('2027-01-15T12:00:00Z')
const peer: Peer = {
  identity: { fleet: 'default', group: 'g', device: 'd-1', profile: 'device' },
  serial: '4a'.repeat(16),
  fingerprint: 'f1'.repeat(32),
  notBefore: new Date('2027-01-01T00:00:00Z'),
  notAfter: new Date('2027-02-01T00:00:00Z'),
}
const row: RegistryRow = {
  serial: peer.serial,
  fingerprint: peer.fingerprint,
  certificateState: 'active',
  fleet: 'default',
  device: 'd-1',
  profile: 'device',
  deviceState: 'active',
  issuerState: 'active',
  lateRenewalDays: 0,
  policy: 'device',
  document: null,
}
const at = (time: string) => new Date(time)

test('admits a good certificate of an active device, with its policy filled in from the certificate', () => {
  const { identity, policy } = judge(peer, row, now)
  expect(identity).toEqual({ ...peer.identity, serial: peer.serial })
  expect(policy.publish).toContain('fleets/default/devices/d-1/telemetry/#')
})

test('the fleet’s own policy document goes before the preset of the same name', () => {
  const document = { name: 'device', allow: [{ publish: ['own/${group}/#'] }] }
  expect(judge(peer, { ...row, document }, now).policy.publish).toEqual(['own/g/#'])
})

describe('refuses', () => {
  const states: [DeviceState, string][] = [
    ['pending', 'device-pending'],
    ['suspended', 'device-suspended'],
    ['revoked', 'device-revoked'],
    ['retired', 'device-retired'],
    ['rejected', 'device-rejected'],
  ]
  test.each(states)('a device that is %s', (deviceState, code) => {
    expect(() => judge(peer, { ...row, deviceState }, now)).toThrow(expect.objectContaining({ code }))
  })

  const rows: [string, Partial<RegistryRow> | undefined, string][] = [
    ['a certificate that the registry does not know', undefined, 'certificate-unknown'],
    ['another certificate with a known serial', { fingerprint: 'f2'.repeat(32) }, 'certificate-unknown'],
    ['a certificate of another device', { device: 'd-2' }, 'certificate-subject'],
    ['a certificate of another fleet', { fleet: 'other' }, 'certificate-subject'],
    ['a server', { profile: 'server' }, 'forbidden'],
    ['a device that the registry knows as a service', { profile: 'service' }, 'certificate-subject'],
    ['a revoked certificate', { certificateState: 'revoked' }, 'certificate-revoked'],
    ['a superseded certificate', { certificateState: 'superseded' }, 'certificate-superseded'],
    ['a certificate of a retired issuer', { issuerState: 'retired' }, 'certificate-untrusted'],
    ['a policy that does not exist', { policy: 'gone' }, 'policy-not-found'],
    ['a policy name from Object’s prototype', { policy: 'constructor' }, 'policy-not-found'],
    ['a policy that cannot be read', { document: { name: 'device', allow: 'everything' } }, 'policy-not-found'],
  ]
  test.each(rows)('%s', (_, change, code) => {
    const found = change && { ...row, ...change }
    expect(() => judge(peer, found, now)).toThrow(expect.objectContaining({ code }))
  })

  test.each([
    [at('2026-12-31T23:59:59Z'), 'certificate-not-yet-valid'],
    [at('2027-02-01T00:00:00Z'), 'certificate-expired'],
  ])('at %s: the dates are ours to check, a resumed TLS session skips them', (time, code) => {
    expect(() => judge(peer, row, time)).toThrow(expect.objectContaining({ code }))
  })
})
