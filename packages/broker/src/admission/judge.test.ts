import type { DeviceState } from '@muster/contracts'
import { describe, expect, test } from 'vitest'
import { judge, type RegistryRow } from './judge.ts'
import type { Peer } from './peer.ts'

const now = new Date('2027-01-15T12:00:00Z')
const peer: Peer = {
  identity: { fleet: 'default', group: 'g', device: 'd-1', profile: 'device' },
  serial: '4a'.repeat(16),
  fingerprint: 'f1'.repeat(32),
  issuer: 'CN=issuing-1',
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
  deviceStateAt: null,
  revokedAt: null,
  revocationReason: null,
  lateRenewalDays: 0,
  group: 'g',
  devicePolicy: null,
  claimPolicy: null,
  groupPolicy: null,
  fleetPolicy: null,
  policyVersion: null,
  onClone: 'keep-newest',
  document: null,
}
const at = (time: string) => new Date(time)

test('admits a good certificate of an active device, with its policy filled in from the certificate', () => {
  const { identity, policy } = judge(peer, row, now)
  expect(identity).toEqual({ ...peer.identity, serial: peer.serial })
  expect(policy.publish).toContain('fleets/default/devices/d-1/telemetry/#')
})

test.each<[string, Partial<RegistryRow>, string]>([
  [
    'since when it is suspended',
    { deviceState: 'suspended', deviceStateAt: new Date('2027-01-02T00:00:00Z') },
    '2027-01-02',
  ],
  [
    'since when and why it is revoked',
    { deviceState: 'revoked', deviceStateAt: '2027-01-03T00:00:00Z', revocationReason: 'keyCompromise' },
    '2027-01-03T00:00:00.000Z: keyCompromise',
  ],
  [
    'when and why the certificate was',
    { certificateState: 'revoked', revokedAt: new Date('2027-01-04'), revocationReason: 'superseded' },
    'revoked at 2027-01-04T00:00:00.000Z: superseded',
  ],
  ['which issuer is retired', { issuerState: 'retired' }, 'CN=issuing-1'],
  ['under which name it is known', { device: 'd-2' }, 'default/d-2'],
])('a refusal says %s', (_, changed, words) => {
  expect(() => judge(peer, { ...row, ...changed }, now)).toThrow(words)
})

test('the most specific policy is in force; a preset is its own document', () => {
  const document = { name: 'own', allow: [{ publish: ['own/${group}/#'] }] }
  const { policy } = judge(peer, { ...row, groupPolicy: 'own', policyVersion: 3, document }, now)
  expect(policy.publish).toEqual(['own/g/#'])
  expect(policy.source).toEqual({ name: 'own', version: 3, attachedTo: 'group' })
  const preset = judge(peer, { ...row, devicePolicy: 'device', groupPolicy: 'own', policyVersion: 3, document }, now)
  expect(preset.policy.source).toEqual({ name: 'device', version: null, attachedTo: 'device' })
})

test('the group is the registry’s: a certificate from before a move opens nothing of the group before', () => {
  const { policy } = judge(peer, { ...row, group: 'moved' }, now)
  expect(policy.refuseSubscribe('fleets/default/groups/moved/broadcast/#')).toBeUndefined()
  expect(policy.refuseSubscribe('fleets/default/groups/g/broadcast/#')).toBeDefined()
  expect(policy.mayReceive('fleets/default/groups/g/broadcast/x')).toBe(false)
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
    ['a policy that does not exist', { devicePolicy: 'gone' }, 'policy-not-found'],
    ['a policy name from Object’s prototype', { claimPolicy: 'constructor' }, 'policy-not-found'],
    [
      'a policy that cannot be read',
      { fleetPolicy: 'own', document: { name: 'own', allow: 'everything' } },
      'policy-not-found',
    ],
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

describe('a certificate beside the active one', () => {
  test('that is pending is let in after its promotion', () => {
    expect(judge(peer, row, now).standing).toBe('current')
    expect(judge(peer, { ...row, certificateState: 'pending' }, now).standing).toBe('renewed')
  })
})

describe('a late device', () => {
  const late: RegistryRow = { ...row, lateRenewalDays: 2 }
  const publish = { topic: 'fleets/default/devices/d-1/telemetry/t', qos: 1 as const, retain: false, payloadBytes: 1 }

  test.each(['2027-02-01T00:00:00Z', '2027-02-02T23:59:59Z'])('may renew at %s, and nothing else', (time) => {
    const { standing, policy } = judge(peer, late, at(time))
    expect(standing).toBe('late')
    expect(policy.refusePublish(publish)).toBeTypeOf('string')
    expect(policy.refuseSubscribe('fleets/default/devices/d-1/commands/#')).toBeTypeOf('string')
    expect(policy.mayReceive('fleets/default/devices/d-1/commands/x')).toBe(false)
    const request = 'fleets/default/devices/d-1/renewal/request'
    expect(policy.refusePublish({ ...publish, topic: request })).toBeUndefined()
  })

  test('with a pending certificate does not promote it', () => {
    const pending: RegistryRow = { ...late, certificateState: 'pending' }
    expect(judge(peer, pending, at('2027-02-01T00:00:00Z')).standing).toBe('late')
  })

  test.each([
    ['too late', late, '2027-02-03T00:00:00Z', 'certificate-expired'],
    ['not yet valid', late, '2026-12-31T23:59:59Z', 'certificate-not-yet-valid'],
    ['revoked', { ...late, deviceState: 'revoked' }, '2027-02-01T00:00:00Z', 'device-revoked'],
    [
      'with a revoked certificate',
      { ...late, certificateState: 'revoked' },
      '2027-02-01T00:00:00Z',
      'certificate-revoked',
    ],
    ['with an old one', { ...late, certificateState: 'superseded' }, '2027-02-01T00:00:00Z', 'certificate-superseded'],
    ['of a retired issuer', { ...late, issuerState: 'retired' }, '2027-02-01T00:00:00Z', 'certificate-untrusted'],
    ['unknown', undefined, '2027-02-01T00:00:00Z', 'certificate-unknown'],
  ] as [string, RegistryRow | undefined, string, string][])('is refused when %s', (_, found, time, code) => {
    expect(() => judge(peer, found, at(time))).toThrow(expect.objectContaining({ code }))
  })
})
