import { describe, expect, test } from 'vitest'
import { compilePolicy } from './compile-policy.ts'
import { findPreset, Policy, presetPolicies } from './policy.ts'

const identity = { fleet: 'default', group: 'line-1', device: 'pump-7', profile: 'device', serial: '0a' } as const
const device = compilePolicy(presetPolicies.device, identity)
const publish = (topic: string, more = {}) =>
  device.refusePublish({ topic, qos: 1, retain: false, payloadBytes: 10, ...more })

describe('the device preset', () => {
  test.each(['telemetry', 'telemetry/temperature', 'events/door', 'state'])('publishes %s', (tail) =>
    expect(publish(`fleets/default/devices/pump-7/${tail}`)).toBeUndefined(),
  )

  test.each([
    'fleets/default/devices/pump-8/telemetry',
    'fleets/other/devices/pump-7/telemetry',
    'fleets/default/devices/pump-7',
    'fleets/default/devices/pump-7/telemetryx',
    'fleets/default/devices/pump-7/commands/reboot',
    'fleets/default/groups/line-1/broadcast/x',
    'fleets/default/devices/+/telemetry',
    '$SYS/x/new/clients',
    '$share/x/fleets/default/devices/pump-7/telemetry',
    'telemetry',
    '',
    'fleets/default/devices/pump-7/telemetry/\u0000',
  ])('does not publish %j', (topic) => expect(publish(topic)).toBeDefined())

  test('does not publish retained or oversized messages', () => {
    expect(publish('fleets/default/devices/pump-7/state', { retain: true })).toBeDefined()
    expect(publish('fleets/default/devices/pump-7/state', { payloadBytes: 131_073 })).toBeDefined()
  })

  test.each([
    'fleets/default/devices/pump-7/commands/#',
    'fleets/default/devices/pump-7/commands/+/now',
    'fleets/default/groups/line-1/broadcast/news',
  ])('subscribes %s', (filter) => expect(device.refuseSubscribe(filter)).toBeUndefined())

  test.each([
    '#',
    '+/#',
    'fleets/#',
    'fleets/default/devices/+/commands/#',
    'fleets/default/devices/pump-8/commands/#',
    'fleets/default/devices/pump-7/#',
    'fleets/default/groups/line-2/broadcast/#',
    '$SYS/#',
    '$share/g/fleets/default/devices/pump-7/commands/#',
    'a+',
  ])('does not subscribe %s', (filter) => expect(device.refuseSubscribe(filter)).toBeDefined())

  test('receives only what it may subscribe to', () => {
    expect(device.mayReceive('fleets/default/devices/pump-7/commands/reboot')).toBe(true)
    expect(device.mayReceive('fleets/default/devices/pump-8/commands/reboot')).toBe(false)
    expect(device.mayReceive('$SYS/uptime')).toBe(false)
  })
})

test('a name with pattern characters of a replacement stays text', () => {
  const policy = Policy.parse({ name: 'p', allow: [{ publish: ['a/${device}/#'] }] })
  expect(compilePolicy(policy, { ...identity, device: 'a.b' }).publish).toEqual(['a/a.b/#'])
  expect(
    compilePolicy(policy, { ...identity, device: 'a.b' }).refusePublish({
      topic: 'a/axb/t',
      qos: 0,
      retain: false,
      payloadBytes: 0,
    }),
  ).toBeDefined()
})

test('deny wins over allow, for publishing, subscribing and receiving', () => {
  const policy = compilePolicy(
    Policy.parse({
      name: 'p',
      allow: [{ publish: ['a/#'] }, { subscribe: ['a/#'], qos: 1 }],
      deny: [{ publish: ['a/secret'] }, { subscribe: ['a/secret/#'] }],
    }),
    identity,
  )
  const message = { qos: 0, retain: false, payloadBytes: 0 } as const
  expect(policy.refusePublish({ topic: 'a/secret', ...message })).toBeDefined()
  expect(policy.refusePublish({ topic: 'a/open', ...message })).toBeUndefined()
  expect(policy.refuseSubscribe('a/secret/x')).toBeDefined()
  expect(policy.refuseSubscribe('a/#')).toBeUndefined()
  expect(policy.mayReceive('a/secret/x')).toBe(false)
  expect(policy.mayReceive('a/open')).toBe(true)
  expect(policy.grantedQos('a/#', 2)).toBe(1)
})

test('a message passes when any rule allows it, and limits belong to their rule', () => {
  const policy = compilePolicy(
    Policy.parse({
      name: 'p',
      allow: [
        { publish: ['a/+'], qos: 0 },
        { publish: ['a/b'], qos: 1, payload: '1KiB', retain: true },
      ],
    }),
    identity,
  )
  const ask = (topic: string, qos: 0 | 1 | 2, retain = false, payloadBytes = 1) =>
    policy.refusePublish({ topic, qos, retain, payloadBytes }) === undefined
  expect(ask('a/b', 1, true)).toBe(true)
  expect(ask('a/b', 1, false, 1_025)).toBe(false)
  expect(ask('a/c', 1)).toBe(false)
  expect(ask('a/c', 0)).toBe(true)
})

test.each([
  { name: 'p', allow: [{ publish: ['$SYS/#'] }] },
  { name: 'p', allow: [{ publish: ['a/${host}'] }] },
  { name: 'p', allow: [{ publish: ['a/${device'] }] },
  { name: 'p', allow: [{ publish: ['a/b#'] }] },
  { name: 'p', allow: [{ publish: [] }] },
  { name: 'p', allow: [{ subscribe: ['a'], retain: true }] },
  { name: 'P!', allow: [] },
])('not a policy: %j', (document) => expect(Policy.safeParse(document).success).toBe(false))

describe('limits', () => {
  const limitsOf = (limits?: unknown) => Policy.safeParse({ name: 'p', allow: [], limits }).data?.limits

  test('have defaults, and are carried by the compiled policy', () => {
    const limits = { messagesPerSecond: 100, bytesPerSecond: 1_048_576, subscriptions: 20 }
    expect(limitsOf()).toEqual(limits)
    expect(device.limits).toEqual(limits)
    expect(limitsOf({ bytesPerSecond: '64KiB', queuedBytes: '1MiB', queuedMessages: 5 })).toEqual({
      ...limits,
      bytesPerSecond: 65_536,
      queuedBytes: 1_048_576,
      queuedMessages: 5,
    })
    expect(presetPolicies.service.limits.messagesPerSecond).toBeGreaterThan(limits.messagesPerSecond)
  })

  test.each([
    { messagesPerSecond: 0 },
    { messagesPerSecond: 100_001 },
    { bytesPerSecond: 1_023 },
    { bytesPerSecond: '257MiB' },
    { subscriptions: -1 },
    { queuedMessages: 0 },
    { queuedBytes: '65MiB' },
    { queued: 1 },
  ])('not %j', (limits) => expect(limitsOf(limits)).toBeUndefined())
})

test('prototype names are not presets', () => expect(findPreset('constructor')).toBeUndefined())
