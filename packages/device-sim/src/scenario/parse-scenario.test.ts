import { MusterError } from '@muster/contracts'
import { expect, test } from 'vitest'
import { parseScenario, readScenario } from './parse-scenario.ts'

const good = `
name: two-kinds
title: Two kinds
devices:
  meter:
    count: 90
    telemetry: [{ every: 10s, topic: telemetry/power, payload: { shape: meter } }]
    network: { latency: 40ms, disconnectEvery: 1m }
    faults: [{ do: hammer, share: 10%, every: 2s }, { do: clone, after: 4s }]
  tracker: { count: 10 }
phases:
  - { do: boot, over: 20s, within: 30s }
  - { do: command, for: 10s, perSecond: 5 }
  - { do: revoke, share: 10%, over: 5s }
slos:
  connect: { p99: 2s }
small: { devices: 20, time: 0.1 }
`

test('times, shares and sizes are parsed, and what is left out has its default', () => {
  const { scenario } = parseScenario(good)
  expect(scenario.devices.meter?.telemetry[0]).toMatchObject({ every: 10_000, jitter: 0.1, qos: '1' })
  expect(scenario.devices.meter?.network).toEqual({ latency: 40, disconnectEvery: 60_000 })
  expect(scenario.devices.tracker).toMatchObject({ keys: 'p256', claim: 'fleet', mqtt: { keepAlive: 60_000 } })
  expect(scenario.phases[0]).toMatchObject({ share: 1, over: 20_000, within: 30_000 })
  expect(scenario.phases[2]).toMatchObject({ share: 0.1, reason: 'keyCompromise', within: 60_000 })
})

test('smaller: fewer of each class, shorter times; latencies and limits stay', () => {
  const { scenario } = parseScenario(good, { small: true })
  const { meter, tracker } = scenario.devices
  expect([meter?.count, tracker?.count]).toEqual([18, 2])
  expect(meter?.telemetry[0]?.every).toBe(1_000)
  expect(meter?.network).toEqual({ latency: 40, disconnectEvery: 60_000 })
  expect([meter?.mqtt.keepAlive, tracker?.mqtt.keepAlive]).toEqual([6_000, 60_000])
  expect(meter?.faults).toMatchObject([{ every: 200 }, { after: 400 }])
  expect(scenario.phases[0]).toMatchObject({ over: 2_000, within: 30_000 })
  // A fifth of the devices in a tenth of the time: each hears as many commands.
  expect(scenario.phases[1]).toMatchObject({ for: 1_000, perSecond: 10 })
  expect(scenario.slos.connect).toEqual({ p99: 2_000 })
})

test('where it says so, limits are wider at the small size, and only there', () => {
  const wider = good
    .replace('p99: 2s }', 'p50: 500ms, p99: 2s }\n  errors: { unexpected: 2% }')
    .replace('time: 0.1 }', 'time: 0.1, limits: 3 }')
  const { slos } = parseScenario(wider, { small: true }).scenario
  expect(slos).toEqual({ connect: { p50: 1_500, p99: 6_000 }, errors: { unexpected: { share: 0.02 } } })
  expect(parseScenario(wider, { devices: 50, time: 0.1 }).scenario.slos.connect).toEqual({ p50: 500, p99: 2_000 })
})

test('devices and time on their own, and before what the scenario says of small', () => {
  expect(parseScenario(good, { devices: 1_000 }).scenario.devices).toMatchObject({
    meter: { count: 900, telemetry: [{ every: 10_000 }] },
    tracker: { count: 100 },
  })
  const { scenario } = parseScenario(good, { small: true, devices: 3, time: 0.5 })
  expect(scenario.devices).toMatchObject({ meter: { count: 2, telemetry: [{ every: 5_000 }] }, tracker: { count: 1 } })
  expect(parseScenario(good, { seed: 42 }).scenario).toEqual({ ...parseScenario(good).scenario, seed: 42 })
  expect(() => parseScenario(good, { devices: 1 })).toThrow('1 devices are too few')
})

test.each([{}, { small: true }, { devices: 7_777, time: 0.3 }, { seed: 42 }])(
  'as it is played it can be read again: %j',
  (size) => {
    const { scenario, yaml } = parseScenario(good, size)
    expect(parseScenario(yaml).scenario).toEqual(scenario)
  },
)

test('a class may build on another, and each is resized for itself', () => {
  const built = good
    .replace('  meter:\n', '  meter: &meter\n')
    .replace('{ count: 10 }', '\n    <<: *meter\n    count: 10')
  const { scenario, yaml } = parseScenario(built, { devices: 20, time: 0.5 })
  expect(scenario.devices).toMatchObject({
    meter: { count: 18, telemetry: [{ every: 5_000 }] },
    tracker: { count: 2, telemetry: [{ every: 5_000 }] },
  })
  expect(parseScenario(yaml).scenario).toEqual(scenario)
})

const wrong = (from: string, to: string) => {
  const read = readScenario(good.replace(from, to))
  return 'problems' in read ? read.problems : []
}

test.each([
  ['count: 90', 'conut: 90', 'devices.meter.conut', 6, 5, 'is not known', 'did you mean count?'],
  ['    count: 90\n', '', 'devices.meter.count', 5, 3, 'is missing', undefined],
  ['every: 10s', 'every: 10', 'devices.meter.telemetry[0].every', 7, 26, 'must be a time like', 'one message'],
  ['every: 10s', 'every: 1ms', 'devices.meter.telemetry[0].every', 7, 26, 'must be 10ms or more', 'one message'],
  [
    'topic: telemetry/power',
    "topic: '#'",
    'devices.meter.telemetry[0].topic',
    7,
    38,
    'without + and #',
    'below fleets/',
  ],
  [
    'share: 10%, every',
    'share: 110%, every',
    'devices.meter.faults[0].share',
    9,
    35,
    'like 5% or 0.05',
    'at least one',
  ],
  ['do: hammer', 'do: nail', 'devices.meter.faults[0].do', 9, 20, "'hammer' | 'trespass'", undefined],
  [
    'shape: meter',
    'shape: meter, x: 1',
    'devices.meter.telemetry[0].payload.x',
    7,
    80,
    'is not known',
    'there are: shape',
  ],
  [
    'shape: meter',
    'shape: bytes, size: 40B',
    'devices.meter.telemetry[0].payload.size',
    7,
    86,
    'must be 80B or more',
    undefined,
  ],
  ['over: 20s, ', '', 'phases[0].over', 12, 5, 'is missing', 'evenly over'],
  ['do: boot', 'do: storm', 'phases[0]', 12, 5, 'must be a boot', undefined],
  ['share: 10%, over', 'of: [pump], over', 'phases[2].of[0]', 14, 24, 'there are: meter, tracker', undefined],
  ['p99: 2s', '', 'slos.connect', 16, 12, 'must limit', 'TCP connect'],
  ['connect:', 'renew:', 'slos.renew', 16, 10, 'is never measured: no phase renews', undefined],
  ['small: { devices: 20', 'small: { devices: 1', 'small.devices', 17, 19, 'must be 2 at least', 'in all'],
])('%s -> %s', (from, to, path, line, column, message, hint) => {
  expect(good).toContain(from)
  const found = wrong(from, to).find((problem) => problem.path === path)
  expect(found).toMatchObject({ line, column, message: expect.stringContaining(message) })
  if (hint !== undefined) expect(found?.hint).toContain(hint)
})

test.each([
  ['{ do: clone, after: 4s }', '{ do: boot-twice }', 'needs `claim: each`'],
  ['{ do: clone, after: 4s }', '{ do: shelf, ended: claim }', 'needs `claim: each`'],
  ['{ do: clone, after: 4s }', '{ do: lose-answer, to: renew }', 'has nothing to lose'],
  ['{ do: clone, after: 4s }', '{ do: cut-power, after: next-stored }', 'never comes to next-stored'],
  ['do: revoke, share: 10%', 'do: revoke, of: [tracker]', 'is never refused'],
  ['do: boot, ', 'do: boot, of: [meter], ', 'is never switched on as a whole'],
  ['  - { do: command', '  - { do: boot, of: [tracker], over: 1s }\n  - { do: command', 'is switched on twice'],
])('what has nothing to happen to is a mistake: %s -> %s', (from, to, message) => {
  expect(wrong(from, to).map((problem) => problem.message)).toEqual([expect.stringContaining(message)])
})

test('all that is wrong is told at once, in the order of the text', () => {
  const read = readScenario(
    good.replace('count: 90', 'count: none').replace('p99: 2s', 'p99: 2s, p98: 1s').replace('over: 5s', 'over: 5'),
  )
  const places = 'problems' in read ? read.problems.map(({ line, path }) => `${line} ${path}`) : []
  expect(places).toEqual(['6 devices.meter.count', '14 phases[2].over', '16 slos.connect.p98'])
})

test('thrown, each has its line', () => {
  const parse = () => parseScenario(good.replace('count: 90', 'count: 0').replace('p99: 2s', 'p99: 2s, p98: 1s'))
  expect(parse).toThrow(MusterError)
  expect(parse).toThrow(/\n6:12 devices.meter.count expected .+\n16:23 slos.connect.p98 is not known/)
})

const bomb = [
  'a0: &a0 [x, x, x, x]',
  ...Array.from({ length: 20 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}, *a${n}]`),
]
test.each([
  ['not YAML', 'name: [', /is not YAML/],
  ['a list', '- 1', /expected object/],
  ['nothing', '', /expected object|is missing/],
  ['two documents', `${good}\n---\n${good}`, /is not YAML/],
  [
    'a key twice',
    good.replace('seed', 'title').replace('title: Two kinds', 'title: a\ntitle: b'),
    /is not YAML: Map keys must be unique/,
  ],
  ['too large', `# ${'x'.repeat(70_000)}\n${good}`, /larger than 64 KiB/],
  ['aliases that multiply', bomb.join('\n'), /cannot be read/],
  ['thousands of mistakes', good + Array.from({ length: 8_800 }, (_, n) => `${n}:\n`).join(''), /is not known/],
  ['nesting without end', '['.repeat(60_000), /is not YAML|cannot be read/],
])('refused, and soon: %s', (_, text, message) => {
  const begin = process.cpuUsage()
  const read = readScenario(text)
  expect('problems' in read && read.problems[0]?.message).toMatch(message)
  expect(process.cpuUsage(begin).user).toBeLessThan(20_000_000)
})
