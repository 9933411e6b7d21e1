import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findChild } from './harness/find-child.ts'
import type { RunningProcess } from './harness/process.ts'
import { readReport, simulate, startMuster } from './harness/simulate.ts'
import { type Stack, startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

let stack: Stack
let claimFile: string
let scenario: string
beforeAll(async () => {
  stack = await startStack()
  claimFile = join(stack.data, 'worker.claim')
  await writeFile(claimFile, await stack.createClaim({ group: 'sim-workers', uses: 4 }), { mode: 0o600 })
  scenario = await write('shared', [{ do: 'steady', for: '1s' }])
})
afterAll(() => stack[Symbol.asyncDispose]())

/** Claims of their own, so that secrets travel; and a revocation, so that workers are told. */
async function write(name: string, phases: unknown[]): Promise<string> {
  const file = join(stack.data, `${name}.yaml`)
  const devices = { meter: { count: 12, claim: 'each', telemetry: [{ every: '200ms' }] } }
  const all = [{ do: 'boot', over: '300ms' }, { do: 'revoke', over: '200ms', share: 0.2 }, ...phases]
  await writeFile(file, JSON.stringify({ name, title: name, devices, phases: all }))
  return file
}

async function startWorker(name: string): Promise<RunningProcess> {
  const worker = startMuster(stack, 'sim', 'worker', '--claim-file', claimFile, '--name', name)
  await worker.prints(new RegExp(`${name} waits for a coordinator`))
  return worker
}

test('two workers play the devices of a run, and of the next', { timeout: 120_000 }, async () => {
  await using one = await startWorker('far-1')
  await using two = await startWorker('far-2')
  for (const round of [1, 2]) {
    const { code, output, report } = await simulate(stack, scenario, '--remote', '2')
    expect(code, output).toBe(0)
    expect(report.ends).toEqual({ working: 10, refused: 2, off: 0, stuck: 0 })
    const workers = report.processes.filter((process) => process.name.startsWith('worker'))
    expect(workers.map((worker) => worker.name).sort()).toEqual(['worker far-1', 'worker far-2'])
    for (const worker of workers) expect(worker.cpuMs).toBeGreaterThan(0)
    for (const worker of [one, two])
      await waitFor(
        `it is free again after run ${round}`,
        () => worker.output().match(/is free again/g)?.length === round,
      )
  }
  // Secrets travel to the worker they are for, and are told to nobody.
  expect(one.output() + two.output()).not.toContain('muster1.')
  one.child.kill('SIGINT')
  expect(await one.exited(), one.output()).toBe(0)
  // Also while nobody hears it.
  await stack.process('broker').kill()
  two.child.kill('SIGINT')
  expect(await two.exited(), two.output()).toBe(0)
  await stack.start('broker')
})

test('a device of another group is no worker, and learns it at once', async () => {
  const file = join(stack.data, 'other.claim')
  await writeFile(file, await stack.createClaim(), { mode: 0o600 })
  await using worker = startMuster(stack, 'sim', 'worker', '--claim-file', file, '--name', 'far-0')
  expect(await worker.exited(), worker.output()).toBe(1)
  expect(worker.output()).toMatch(/far-0 is of the group default: a worker's claim is of sim-workers/)
})

test('a worker whose devices die fails the run, and is there for the next', { timeout: 120_000 }, async () => {
  const directory = join(stack.data, 'far-died')
  const endless = await write('endless', [{ do: 'steady', for: '10m' }])
  await using worker = await startWorker('far-3')
  await using running = startMuster(stack, 'sim', 'run', endless, '--remote', '1', '--report', directory)
  await running.prints(/phase=3\/3:steady/)
  process.kill(await findChild(worker.child.pid ?? 0, /worker\/main\.ts/), 'SIGKILL')
  expect(await running.exited(), running.output()).toBe(1)
  const { verdict } = await readReport(directory, running.output())
  expect(verdict.reasons).toContainEqual(expect.stringContaining('worker far-3 has failed: ended with SIGKILL'))
  const { code, output } = await simulate(stack, scenario, '--remote', '1')
  expect(code, output).toBe(0)
})

test('a device that only says it is a worker is not given claims', { timeout: 60_000 }, async () => {
  const stranger = await stack.enrolDevice('stranger')
  const client = await stranger.connect()
  const heard: string[] = []
  client.on('message', (topic) => heard.push(topic))
  await client.subscribeAsync('fleets/default/devices/stranger/commands/#', { qos: 1 })
  await using running = startMuster(stack, 'sim', 'run', scenario, '--remote', '1')
  await running.prints(/waiting for 1 worker/)
  const offer = JSON.stringify({ version: 1, host: 'here', cpus: 64 })
  await client.publishAsync('fleets/default/devices/stranger/events/sim/offer', offer, { qos: 1 })
  await running.prints(/stranger offers itself as a worker, and is not of the group sim-workers/)
  await client.publishAsync('fleets/default/devices/stranger/events/sim/offer', 'nonsense', { qos: 1 })
  await using _ = await startWorker('far-4')
  expect(await running.exited(), running.output()).toBe(0)
  expect(heard).toEqual([])
  await client.endAsync()
})
