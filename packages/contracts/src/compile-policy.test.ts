import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compilePolicy, type PublishRequest } from './compile-policy.ts'
import { Policy } from './policy.ts'
import { choosePolicy } from './policy-source.ts'

const holder = { fleet: 'f', group: 'g', device: 'd', profile: 'device', serial: '0a' } as const

const word = fc.constantFrom('a', 'b', '', '${device}', '${group}', 'd', 'g')
const template = fc
  .tuple(fc.array(fc.oneof(word, fc.constant('+')), { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([levels, hash]) => (hash ? [...levels, '#'] : levels).join('/'))
  .filter((text) => text !== '')
const filters = fc.array(template, { minLength: 1, maxLength: 3 })
const qos = fc.constantFrom<0 | 1 | 2>(0, 1, 2)
const allowRule = fc.oneof(
  fc.record({ publish: filters, qos, retain: fc.boolean(), payload: fc.constantFrom(1, 10, 100) }),
  fc.record({ subscribe: filters, qos }),
)
const denyRule = fc.oneof(fc.record({ publish: filters }), fc.record({ subscribe: filters }))
const policy = fc
  .record({ allow: fc.array(allowRule, { maxLength: 4 }), deny: fc.array(denyRule, { maxLength: 3 }) })
  .map((rules) => Policy.parse({ name: 'p', ...rules }))
const level = fc.constantFrom('a', 'b', 'd', 'g', '', '$x')
const topic = fc
  .array(level, { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join('/'))
  .filter((name) => name !== '')
const publication: fc.Arbitrary<PublishRequest> = fc.record({
  topic,
  qos,
  retain: fc.boolean(),
  payloadBytes: fc.constantFrom(0, 1, 5, 11, 101),
})
const subscription = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 3 }), fc.boolean())
  .map(([levels, hash]) => (hash || levels.length === 0 ? [...levels, '#'] : levels).join('/'))
  .filter((text) => text !== '')

/** Every topic that tells two filters of up to four levels apart. */
const universe = (() => {
  const levels = ['a', 'b', 'd', 'g', '', '$x', 'other']
  const all = [...levels]
  for (let depth = 1, last = levels; depth < 4; depth++) {
    last = last.flatMap((prefix) => levels.map((next) => `${prefix}/${next}`))
    all.push(...last)
  }
  return all.filter((name) => name !== '')
})()

/** The model: a template as a regular expression, and sets of topics instead of containment. */
function asRegExp(text: string): RegExp {
  const filled = text.replaceAll('${device}', 'd').replaceAll('${group}', 'g')
  const body = filled
    .split('/')
    .map((one) => (one === '+' ? '[^/]*' : one.replace('$', '\\$')))
    .join('/')
    .replace(/\/#$/, '(/.*)?')
    .replace(/^#$/, '.*')
  return new RegExp(`^${/^[+#]/.test(filled) ? '(?!\\$)' : ''}${body}$`)
}
const within = (name: string, templates: readonly string[]) => templates.some((one) => asRegExp(one).test(name))
const publishOf = (rule: object) => ('publish' in rule ? (rule.publish as string[]) : [])
const subscribeOf = (rule: object) => ('subscribe' in rule ? (rule.subscribe as string[]) : [])

function modelPublish({ allow, deny }: Policy, request: PublishRequest): boolean {
  if (request.topic.startsWith('$') || deny.some((rule) => within(request.topic, publishOf(rule)))) return false
  return allow.some(
    (rule) =>
      'publish' in rule &&
      within(request.topic, rule.publish) &&
      request.qos <= rule.qos &&
      (rule.retain || !request.retain) &&
      request.payloadBytes <= rule.payload,
  )
}

function modelSubscribe({ allow, deny }: Policy, filter: string): boolean {
  if (filter.startsWith('$')) return false
  const reached = universe.filter((name) => asRegExp(filter).test(name))
  const holdsAll = (one: string) => {
    const pattern = asRegExp(one)
    return reached.every((name) => pattern.test(name))
  }
  return !deny.flatMap(subscribeOf).some(holdsAll) && allow.flatMap(subscribeOf).some(holdsAll)
}

const modelReceive = ({ allow, deny }: Policy, name: string) =>
  !name.startsWith('$') &&
  !deny.some((rule) => within(name, subscribeOf(rule))) &&
  allow.some((rule) => within(name, subscribeOf(rule)))

describe('a compiled policy agrees with the model', () => {
  test('on publications; the rule that it names decides', () => {
    fc.assert(
      fc.property(policy, publication, (document, request) => {
        const compiled = compilePolicy(document, holder)
        const { allowed, rule, filter, why } = compiled.explainPublish(request)
        expect(allowed).toBe(modelPublish(document, request))
        expect(compiled.refusePublish(request)).toBe(allowed ? undefined : why)
        if (rule === null) return
        const [, list, index] = /^(allow|deny)\[(\d+)\]$/.exec(rule) ?? []
        const named = (list === 'deny' ? document.deny : document.allow)[Number(index)] ?? {}
        expect(within(request.topic, publishOf(named))).toBe(true)
        expect(asRegExp(filter ?? '').test(request.topic)).toBe(true)
        if (list === 'deny') expect(allowed).toBe(false)
      }),
      { numRuns: 3_000 },
    )
  })

  test('on subscriptions', () => {
    fc.assert(
      fc.property(policy, subscription, (document, filter) => {
        const compiled = compilePolicy(document, holder)
        const decision = compiled.explainSubscribe(filter)
        expect(decision.allowed).toBe(modelSubscribe(document, filter))
        expect(compiled.refuseSubscribe(filter)).toBe(decision.allowed ? undefined : decision.why)
      }),
      { numRuns: 400 },
    )
  })

  test('on what is delivered: all of a granted filter but for what is denied', () => {
    fc.assert(
      fc.property(policy, subscription, topic, (document, filter, name) => {
        const compiled = compilePolicy(document, holder)
        expect(compiled.mayReceive(name)).toBe(modelReceive(document, name))
        if (compiled.refuseSubscribe(filter) !== undefined || !asRegExp(filter).test(name)) return
        expect(compiled.mayReceive(name)).toBe(!document.deny.some((rule) => within(name, subscribeOf(rule))))
      }),
      { numRuns: 3_000 },
    )
  })
})

test('a refusal names policy, version and rule', () => {
  const document = Policy.parse({
    name: 'meter',
    allow: [{ publish: ['a/#'], qos: 1 }, { subscribe: ['a/#'] }],
    deny: [{ subscribe: ['b'] }, { publish: ['a/x/${device}'] }],
  })
  const compiled = compilePolicy(document, holder, { name: 'meter', version: 3, attachedTo: 'group' })
  const ask = (name: string, more = {}) =>
    compiled.refusePublish({ topic: name, qos: 0, retain: false, payloadBytes: 0, ...more })
  expect(ask('a/x/d')).toBe('policy meter v3, deny[1]: denied by a/x/d')
  expect(ask('a/y', { qos: 2 })).toBe('policy meter v3, allow[0]: QoS 1 at most on a/#')
  expect(ask('c')).toBe('policy meter v3: no rule allows this topic')
  expect(compiled.refuseSubscribe('#')).toBe('policy meter v3: the filter is not inside one that is allowed')
  expect(compiled.explainSubscribe('a/b')).toMatchObject({ allowed: true, rule: 'allow[1]', filter: 'a/#' })
  expect(compilePolicy(document, holder).refusePublish({ topic: 'c', qos: 0, retain: false, payloadBytes: 0 })).toBe(
    'policy meter: no rule allows this topic',
  )
})

test('the most specific policy is in force', () => {
  const none = { profile: 'device', device: null, claim: null, group: null, fleet: null } as const
  expect(choosePolicy(none)).toEqual({ name: 'device', attachedTo: 'preset' })
  expect(choosePolicy({ ...none, profile: 'service' })).toEqual({ name: 'service', attachedTo: 'preset' })
  const all = { ...none, fleet: 'p-4', group: 'p-3', claim: 'p-2', device: 'p-1' }
  expect(choosePolicy(all)).toEqual({ name: 'p-1', attachedTo: 'device' })
  expect(choosePolicy({ ...all, device: null })).toEqual({ name: 'p-2', attachedTo: 'claim' })
  expect(choosePolicy({ ...all, device: null, claim: null })).toEqual({ name: 'p-3', attachedTo: 'group' })
  expect(choosePolicy({ ...none, fleet: 'p-4' })).toEqual({ name: 'p-4', attachedTo: 'fleet' })
})

describe('Sparkplug B, as in docs/policies.md', () => {
  const sparkplug = Policy.parse({
    name: 'sparkplug',
    allow: [
      {
        publish: ['NBIRTH', 'NDATA', 'NDEATH'].map((type) => `spBv1.0/\${group}/${type}/\${device}`),
        qos: 1,
      },
      { publish: ['DBIRTH', 'DDATA', 'DDEATH'].map((type) => `spBv1.0/\${group}/${type}/\${device}/+`), qos: 0 },
      {
        subscribe: ['spBv1.0/${group}/NCMD/${device}', 'spBv1.0/${group}/DCMD/${device}/#', 'spBv1.0/STATE/+'],
        qos: 1,
      },
    ],
  })
  const node = compilePolicy(sparkplug, { ...holder, group: 'plant-1', device: 'edge-7' })
  const publishes = (name: string, qosOf: 0 | 1 = 0) =>
    node.refusePublish({ topic: name, qos: qosOf, retain: false, payloadBytes: 9 }) === undefined

  test.each(['spBv1.0/plant-1/NBIRTH/edge-7', 'spBv1.0/plant-1/DDATA/edge-7/press-2'])('publishes %s', (name) =>
    expect(publishes(name)).toBe(true),
  )
  test.each([
    'spBv1.0/plant-2/NBIRTH/edge-7',
    'spBv1.0/plant-1/NBIRTH/edge-8',
    'spBv1.0/plant-1/NCMD/edge-7',
    'spBv1.0/plant-1/DDATA/edge-8/press-2',
    'spBv1.0/plant-1/DDATA/edge-7',
    'spBv1.0/STATE/host',
  ])('does not publish %s', (name) => expect(publishes(name)).toBe(false))
  test('its death certificate as a will at QoS 1, data at QoS 0 alone', () => {
    expect(publishes('spBv1.0/plant-1/NDEATH/edge-7', 1)).toBe(true)
    expect(publishes('spBv1.0/plant-1/DDATA/edge-7/press-2', 1)).toBe(false)
  })
  test('subscribes its commands and the state of the hosts', () => {
    for (const filter of ['spBv1.0/plant-1/NCMD/edge-7', 'spBv1.0/plant-1/DCMD/edge-7/#', 'spBv1.0/STATE/host'])
      expect(node.refuseSubscribe(filter)).toBeUndefined()
    for (const filter of ['spBv1.0/plant-1/NCMD/+', 'spBv1.0/#', 'spBv1.0/plant-1/#'])
      expect(node.refuseSubscribe(filter)).toBeDefined()
  })
})
