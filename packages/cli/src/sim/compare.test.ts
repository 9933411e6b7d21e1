import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeReport } from '@muster/device-sim'
import { buildReport, type Setting } from '@muster/device-sim/testing'
import { expect, onTestFinished, test } from 'vitest'
import { runCommand } from '../testing.ts'

/** Two runs on disk, `before` and `after`. */
async function play(after: Setting) {
  const folder = await mkdtemp(join(tmpdir(), 'muster-compare-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const [before, then] = [join(folder, 'before'), join(folder, 'after')]
  await writeReport(before, buildReport({ minutes: 1, devices: 100 }))
  await writeReport(then, buildReport({ minutes: 1, devices: 100, ...after }))
  return { folder, before, compare: (...args: string[]) => runCommand({}, 'sim', 'compare', before, then, ...args) }
}

test('what differs is said first, then verdicts and figures, each with its difference', async () => {
  const { compare } = await play({ seed: 8, slower: 2, failed: true })
  const { code, stdout } = await compare()
  expect(code).toBe(0)
  const lines = stdout.split('\n')
  expect(lines[0]).toMatch(/^DIFFERS +A +B$/)
  expect(lines[1]).toMatch(/^seed +7 +8$/)
  expect(stdout).toMatch(/^verdict +passed +failed +- +- +worse$/m)
  expect(stdout).toMatch(/^publish p50 +18.1 ms +3\d ms +\+1\d.* ms +\+\d+ % +worse$/m)
  expect(stdout).toMatch(/^B is better in \d+ figures, worse in \d+, the same in \d+\.$/m)
})

test('--fail-on tells by its exit code, and why', async () => {
  const { compare } = await play({ slower: 1.5 })
  expect((await compare('--fail-on', '100%')).code).toBe(0)
  const { code, stderr } = await compare('--fail-on', '10%')
  expect(code).toBe(1)
  expect(stderr).toMatch(/^muster: b is worse: .*publish p99 went from \d+ ms to \d+ ms/m)
})

test('--json is for programs', async () => {
  const { compare } = await play({ slower: 1.5 })
  const { code, stdout } = await compare('--json', '--fail-on', '0.1')
  expect(code).toBe(1)
  const { a, b, differences, figures, regressions } = JSON.parse(stdout)
  expect([a.verdict.passed, b.verdict.passed, differences]).toEqual([true, true, []])
  expect(figures).toContainEqual(expect.objectContaining({ name: 'publish p99', change: 'worse' }))
  expect(regressions.length).toBeGreaterThan(0)
})

test('--html writes a page with both', async () => {
  const { folder, compare } = await play({ slower: 1.5 })
  const file = join(folder, 'both.html')
  const { code, stderr } = await compare('--html', file)
  expect([code, stderr]).toEqual([0, `both are in ${file}\n`])
  expect(await readFile(file, 'utf8')).toMatch(/^<!doctype html>/)
})

test('what is no report is told with its name, and is a wrong use of the command', async () => {
  const { folder, before } = await play({})
  const text = join(folder, 'a.json')
  await writeFile(text, '{}')
  const wrong = await runCommand({}, 'sim', 'compare', before, text)
  expect([wrong.code, wrong.stderr]).toEqual([2, `muster: ${text}: the report has no version, so it is none\n`])
  const missing = await runCommand({}, 'sim', 'compare', before, join(folder, 'none.json'))
  expect(missing.code).toBe(2)
  expect(missing.stderr).toContain('cannot be read (ENOENT)')
  expect((await runCommand({}, 'sim', 'compare', before, before, '--fail-on', 'much')).code).toBe(2)
})
