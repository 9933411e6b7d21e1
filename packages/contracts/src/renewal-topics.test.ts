import { describe, expect, test } from 'vitest'
import { compilePolicy } from './compile-policy.ts'
import { Policy } from './policy.ts'
import { openRenewalTopics } from './renewal-topics.ts'

const holder = { fleet: 'f', group: 'g', device: 'd-1', profile: 'device' as const, serial: '0a' }
const everything = Policy.parse({
  name: 'everything',
  allow: [{ publish: ['fleets/#'], retain: true }, { subscribe: ['fleets/#'] }],
})
const nothing = Policy.parse({ name: 'nothing', allow: [], deny: [{ subscribe: ['fleets/#'] }] })
const of = (policy: Policy) => openRenewalTopics(compilePolicy(policy, holder), holder)
const publish = (topic: string, more = {}) => ({ topic, qos: 1 as const, retain: false, payloadBytes: 10, ...more })
const request = 'fleets/f/devices/d-1/renewal/request'
const response = 'fleets/f/devices/d-1/renewal/response'

describe.each([
  ['everything', everything],
  ['nothing', nothing],
])('beside a policy that allows %s', (_, policy) => {
  const opened = of(policy)

  test('the holder may ask, and hear the answer', () => {
    expect(opened.refusePublish(publish(request))).toBeUndefined()
    expect(opened.refusePublish(publish(request, { qos: 0 }))).toBeUndefined()
    expect(opened.refuseSubscribe(response)).toBeUndefined()
    expect(opened.grantedQos(response, 2)).toBe(1)
    expect(opened.grantedQos(response, 0)).toBe(0)
    expect(opened.mayReceive(response)).toBe(true)
  })

  test.each([
    ['at QoS 2', publish(request, { qos: 2 })],
    ['retained', publish(request, { retain: true })],
    ['above 32 KiB', publish(request, { payloadBytes: 32_769 })],
    ['as another device', publish('fleets/f/devices/d-2/renewal/request')],
    ['as a device of another fleet', publish('fleets/g/devices/d-1/renewal/request')],
    ['by answering itself', publish(response)],
    ['by answering another', publish('fleets/f/devices/d-2/renewal/response')],
    ['above the topic', publish('fleets/f/devices/d-1/renewal')],
    ['below the topic', publish(`${request}/x`)],
  ])('nobody asks %s', (_, publication) => {
    expect(opened.refusePublish(publication)).toBeTypeOf('string')
  })

  test.each(['fleets/f/devices/d-2/renewal/response', 'fleets/f/devices/+/renewal/response', request, `${response}/#`])(
    'nobody listens to %s',
    (filter) => {
      expect(opened.refuseSubscribe(filter)).toBeTypeOf('string')
      expect(opened.mayReceive(filter.replace('+', 'd-3').replace('#', 'x'))).toBe(false)
    },
  )
})

test('a wide subscription hears nothing of it, and the rest', () => {
  const opened = of(everything)
  expect(opened.refuseSubscribe('fleets/f/#')).toBeUndefined()
  expect(opened.mayReceive('fleets/f/devices/d-2/renewal/request')).toBe(false)
  expect(opened.mayReceive('fleets/f/devices/d-2/telemetry/renewal')).toBe(true)
  expect(opened.refusePublish(publish('fleets/f/devices/d-1/telemetry/renewal/request'))).toBeUndefined()
})
