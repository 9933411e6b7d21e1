import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Claim } from '@muster/contracts'
import { listLibrary } from '@muster/device-sim'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findChild } from './harness/find-child.ts'
import { inTurns } from './harness/in-turns.ts'
import { type Ran, readReport, simulate, startMuster } from './harness/simulate.ts'
import { type Stack, startStack } from './harness/stack.ts'

const names = await listLibrary()
let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack[Symbol.asyncDispose]())

/** Small, and with nothing but what a test is about. */
async function write(name: string, scenario: Record<string, unknown>): Promise<string> {
  const file = join(stack.data, `${name}.yaml`)
  const base = {
    name,
    title: name,
    devices: { sensor: { count: 6, telemetry: [{ every: '200ms' }] } },
    phases: [
      { do: 'boot', over: '200ms' },
      { do: 'steady', for: '1s' },
    ],
  }
  await writeFile(file, JSON.stringify({ ...base, ...scenario }))
  return file
}

const long = {
  phases: [
    { do: 'boot', over: '200ms' },
    { do: 'steady', for: '10m' },
  ],
}
const devicesOf = async (run: string) => (await stack.api(`/v1/devices?prefix=sim-${run}-&limit=1000`)).json.items
const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('every scenario of the library, small, passes', () => {
  let runs: Map<string, Promise<Ran>>
  beforeAll(() => {
    // Beside each other: two runs on one platform must not meet.
    runs = inTurns(2, names, (name) => simulate(stack, name, '--small', '--workers', '1'))
  })

  test.each(names)('%s', { timeout: 240_000 }, async (name) => {
    const { code, output, report } = (await runs.get(name)) ?? { code: undefined, output: '', report: undefined }
    expect(code, output).toBe(0)
    expect(report?.verdict).toEqual({ passed: true, reasons: [] })
    expect(report?.invariants.map(({ held }) => held)).toEqual(Array(7).fill(true))
    expect(report?.totals.acknowledged).toBeGreaterThan(0)
    expect(report?.processes.map((one) => one.name)).toEqual(['provisioner', 'broker', 'worker 1', 'coordinator'])
    expect(output).toContain('PASSED')
  })

  test('and leaves no device, no claim and no process of it behind', { timeout: 60_000 }, async () => {
    for (const running of runs.values()) {
      const { report } = await running
      const states = new Set((await devicesOf(report.run)).map((device: { state: string }) => device.state))
      expect([...states]).toEqual(['retired'])
      for (const { name, pid } of report.processes) if (name.startsWith('worker')) expect(isAlive(pid)).toBe(false)
    }
    const claims = (await stack.api('/v1/claims?limit=1000')).json.items as Claim[]
    const isUsable = ({ used, uses, expiresAt }: Claim) => used < uses && Date.parse(expiresAt ?? '') > Date.now()
    expect(claims.filter((claim) => claim.label?.startsWith('muster sim') && isUsable(claim))).toEqual([])
  })
})

describe('a run', () => {
  test('that does not keep its limits ends with 1, and says which', async () => {
    const file = await write('too-slow', { slos: { enrol: { p50: '1ms' }, publish: { p99: '60s' } } })
    const { code, output, report } = await simulate(stack, file)
    expect(code, output).toBe(1)
    expect(report.verdict.reasons).toEqual([expect.stringMatching(/^enrol p50: .* wanted ≤ /)])
    expect(output).toContain('FAILED')
  })

  test('that is interrupted ends in order: with a report, and nothing left', async () => {
    const directory = join(stack.data, 'interrupted')
    await using running = startMuster(stack, 'sim', 'run', await write('endless', long), '--report', directory)
    await running.prints(/phase=2\/2:steady .* connected=6\/6/)
    running.child.kill('SIGINT')
    expect(await running.exited(), running.output()).toBe(1)
    const report = await readReport(directory, running.output())
    expect(report.verdict.reasons).toContain('interrupted')
    expect(report.ends).toEqual({ working: 6, refused: 0, off: 0, stuck: 0 })
    expect(report.invariants.every(({ held }) => held)).toBe(true)
    expect((await devicesOf(report.run)).every((device: { state: string }) => device.state === 'retired')).toBe(true)
  })

  test('whose worker dies fails with its last words, and keeps its devices where that is asked for', async () => {
    const directory = join(stack.data, 'died')
    const file = await write('dying', long)
    await using running = startMuster(stack, 'sim', 'run', file, '--report', directory, '--keep')
    await running.prints(/phase=2\/2:steady/)
    process.kill(await findChild(running.child.pid ?? 0, /worker\/main\.ts/), 'SIGKILL')
    expect(await running.exited(), running.output()).toBe(1)
    const report = await readReport(directory, running.output())
    expect(report.verdict.reasons).toContain('worker 1 ended with SIGKILL')
    const states = (await devicesOf(report.run)).map((device: { state: string }) => device.state)
    expect(states).toEqual(Array(7).fill('active'))
  })

  test('during which the platform goes away says so, and fails', { timeout: 90_000 }, async () => {
    const directory = join(stack.data, 'away')
    const file = await write('away', {
      phases: [
        { do: 'boot', over: '200ms' },
        { do: 'steady', for: '12s' },
      ],
    })
    await using running = startMuster(stack, 'sim', 'run', file, '--report', directory)
    await running.prints(/phase=2\/2:steady/)
    await stack.process('provisioner').kill()
    await running.prints(/the platform does not answer/)
    await stack.start('provisioner')
    await running.prints(/the platform did not answer for \d+ s/)
    expect(await running.exited(), running.output()).toBe(1)
    const { verdict } = await readReport(directory, running.output())
    expect(verdict.reasons).toEqual([expect.stringMatching(/^the platform did not answer for \d+ s/)])
  })

  test('that needs certificates which end within it does not begin where they do not, and says what is missing', async () => {
    const devices = { boxed: { count: 1, claim: 'each', faults: [{ do: 'shelf', ended: 'certificate' }] } }
    await using running = startMuster(stack, 'sim', 'run', await write('boxed', { devices }))
    expect(await running.exited(), running.output()).toBe(2)
    expect(running.output()).toMatch(/^muster: devices of boxed .* for 90d: .*MUSTER_CERTIFICATE_VALIDITY=5m/m)
  })

  test.each([
    [2, ['no-such-scenario']],
    [2, ['first-boot', '--devices', '1']],
    [2, ['first-boot', '--broker', 'mqtt://localhost']],
    [3, ['first-boot', '--small', '--url', 'https://localhost:1']],
  ])('that cannot begin ends with %i: %j', async (code, args) => {
    await using running = startMuster(stack, 'sim', 'run', ...args)
    expect(await running.exited(), running.output()).toBe(code)
    expect(running.output()).toMatch(/^muster: /m)
  })
})
