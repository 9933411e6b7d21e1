import { expect, test } from 'vitest'
import { startProcess } from './harness/process.ts'

// That it works, in its smallest size: how fast anything is, is nothing to test on a machine with other work.
test('the benchmark beside Mosquitto runs through and prints a row for each kind of work', {
  timeout: 240_000,
}, async () => {
  await using running = startProcess(process.execPath, ['tests/bench/beside-mosquitto.ts', '--size', 'tiny'])
  expect(await running.exited(), running.output()).toBe(0)
  const rows = running
    .output()
    .split('\n')
    .filter((line) => line.startsWith('| ') && /\d (ms|us|KiB) \|/.test(line))
  expect(rows.map((row) => row.split(' | ')[0]?.slice(2))).toEqual([
    'memory per idle connection (RSS)',
    'full mutual-TLS connect + CONNACK',
    'resumed mutual-TLS connect + CONNACK',
    'QoS 1 publish, not stored, no subscriber',
    'QoS 1 publish, not stored, no subscriber, one in flight',
    'QoS 1 telemetry, stored before PUBACK',
    'QoS 1 publish to one QoS 0 subscriber',
    'QoS 1 publish to one QoS 1 subscriber',
    'QoS 1 publish to one QoS 0 subscriber, one in flight',
    'fan-out 1:10, each delivery (QoS 0)',
  ])
  for (const row of rows.filter((row) => row.includes('publish'))) expect(row).toMatch(/\/s/)
})

test.each([1, 3])(
  'the revocation benchmark on %i node(s): nothing counts after the receipt',
  { timeout: 240_000 },
  async (nodes) => {
    const args = ['--nodes', String(nodes), '--devices', '24', '--revoke', '6', '--seconds', '1']
    await using running = startProcess(process.execPath, ['tests/bench/revocation.ts', ...args])
    expect(await running.exited(), running.output()).toBe(0)
    expect(running.output()).toMatch(
      /, 24 connected, 6 revoked in \d+ s \| [\d.]+ ms \| [\d.]+ ms \| [\d.]+ ms \| p99 < \d+ ms \|/,
    )
    expect(running.output()).toMatch(/Nothing of a revoked device counted after its receipt/)
  },
)

test("the simulator's benchmark: every device ends at work, and nothing is left over", {
  timeout: 120_000,
}, async () => {
  await using running = startProcess(process.execPath, ['tests/bench/simulator.ts', '--devices', '12'])
  expect(await running.exited(), running.output()).toBe(0)
  expect(running.output()).toMatch(/simulated device, connected and idle \| -?[\d.]+ KiB \| 12 connections/)
  expect(running.output()).toMatch(/messages a core of a worker \| [1-9]\d*\/s \| [1-9]\d* acknowledged/)
})
