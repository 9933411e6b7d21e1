import { expect, test } from 'vitest'
import { listLibrary, readFromLibrary } from '../scenario/library.ts'
import { parseScenario } from '../scenario/parse-scenario.ts'
import { reduceScenario } from './reduce-scenario.ts'

const scenario = {
  name: 'mixed',
  title: 'With things that only Muster has',
  devices: {
    a: { count: 3, telemetry: [{ every: '1s' }], faults: [{ do: 'clone', share: 0.5 }] },
    b: { count: 2 },
  },
  phases: [
    { do: 'boot', over: '1s' },
    { do: 'revoke', over: '1s', share: 0.3 },
    { do: 'steady', for: '2s' },
  ],
  slos: { enrol: { p99: '1s' }, connect: { p99: '1s' }, revoke: { max: '1s' } },
}

test('what needs Muster is left out, and said', () => {
  const reduced = reduceScenario(parseScenario(JSON.stringify(scenario)))
  expect(reduced.scenario.phases.map((phase) => phase.do)).toEqual(['boot', 'steady'])
  expect(reduced.scenario.devices.a?.faults).toEqual([])
  expect(Object.keys(reduced.scenario.slos)).toEqual(['connect', 'errors'])
  expect(reduced.skipped).toEqual([
    'phase 2 (revoke) is not played: it needs Muster',
    'faults of a (clone) are not played: they need Muster',
    'the limit of enrol is not judged: it needs Muster',
    'the limit of revoke is not judged: it needs Muster',
  ])
  expect(parseScenario(reduced.yaml).scenario).toEqual(reduced.scenario)
})

test('each scenario of the library has a part for any broker', async () => {
  for (const name of await listLibrary()) {
    const reduced = reduceScenario(parseScenario((await readFromLibrary(name)) ?? '', { small: true }))
    expect(reduced.scenario.phases[0]?.do, name).toBe('boot')
  }
})
