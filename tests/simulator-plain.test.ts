import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startProcess } from './harness/process.ts'

test('a scenario is played on Muster and on Mosquitto with certificates from a folder', {
  timeout: 180_000,
}, async () => {
  const reports = await mkdtemp(join(tmpdir(), 'muster-plain-'))
  try {
    const script = 'tests/bench/scenario-beside-mosquitto.ts'
    await using running = startProcess(process.execPath, [script, 'revocation-wave', '15', '0.02', reports])
    expect(await running.exited(), running.output()).toBe(0)
    expect(running.output()).toContain('| verdict | passed | passed |')
    for (const broker of ['muster', 'mosquitto']) {
      const report = JSON.parse(await readFile(join(reports, broker, 'report.json'), 'utf8'))
      expect(report.phases.map((phase: { name: string }) => phase.name)).toEqual(['boot', 'steady', 'steady'])
      expect(report.ends, broker).toEqual({ working: 15, refused: 0, off: 0, stuck: 0 })
      expect(report.totals.acknowledged).toBeGreaterThan(15)
      expect(report.invariants.map((one: { name: string }) => one.name)).toEqual(['no-bricked-device'])
      expect(report.skipped).toEqual(
        expect.arrayContaining([
          'phase 3 (revoke) is not played: it needs Muster',
          'the limit of revoke is not judged: it needs Muster',
          'stored-once is not judged: it needs Muster',
        ]),
      )
      expect(report.processes[0]).toMatchObject({ name: 'broker', cpuMs: expect.any(Number) })
    }
  } finally {
    await rm(reports, { recursive: true })
  }
})
