import { expect, test } from 'vitest'
import { parseScenario } from '../scenario/parse-scenario.ts'
import { longestFinishMs } from './finish.ts'

const scenarioWith = (keepAlive: string) =>
  parseScenario(
    JSON.stringify({
      name: 'cut-off',
      title: 'Connections that are cut without a word',
      devices: {
        wired: { count: 1, mqtt: { keepAlive: '5s' } },
        radio: { count: 1, mqtt: { keepAlive }, network: { disconnectEvery: '5m' } },
      },
      phases: [{ do: 'boot', over: '1s' }],
    }),
  ).scenario

test('a worker may take as long as its slowest device needs to notice that its connection is gone', () => {
  // One and a half keep-alives, then connecting again, and closing.
  expect(longestFinishMs(scenarioWith('60s'))).toBeGreaterThanOrEqual(90_000 + 20_000)
  expect(longestFinishMs(scenarioWith('120s')) - longestFinishMs(scenarioWith('60s'))).toBe(90_000)
})
