import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runCommand } from '../testing.ts'

async function file(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-scenario-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const path = join(folder, 'mine.yaml')
  await writeFile(path, text)
  return path
}

const mine = `name: mine
title: Mine
devices:
  d: { count: 40 }
phases:
  - { do: boot, over: 70s }
  - { do: revoke, share: 10%, over: 5s }
`

test('list shows the library: name, size, length and title', async () => {
  const { code, stdout } = await runCommand({}, 'sim', 'list')
  expect(code).toBe(0)
  const rows = stdout.trim().split('\n')
  expect(rows).toHaveLength(11)
  const row = rows.find((one) => one.startsWith('black-friday'))
  expect(row?.split(/ {2,}/).slice(1, 4)).toEqual(['10,000', '7 min 30 s', '50 in 5 s'])
  const json = JSON.parse((await runCommand({}, 'sim', 'list', '--json')).stdout)
  expect(json).toContainEqual(expect.objectContaining({ name: 'black-friday', devices: 10_000, ms: 450_000 }))
})

test('validate shows what would be played, at any size', async () => {
  const whole = await runCommand({}, 'sim', 'validate', await file(mine))
  expect([whole.code, whole.stdout.split('\n').slice(0, 2)]).toEqual([
    0,
    ['mine is valid: Mine', '40 devices, about 1 min 15 s'],
  ])
  expect(whole.stdout).toMatch(/^revoke +4$/m)
  const sized = await runCommand({}, 'sim', 'validate', 'black-friday', '--devices', '200', '--time', '0.1', '--json')
  expect(JSON.parse(sized.stdout)).toMatchObject({ valid: true, devices: 200, ms: 45_000, phases: { length: 6 } })
})

test('what is wrong is told with its place and a hint, and the exit code says so', async () => {
  const path = await file(mine.replace('count: 40', 'coutn: 40').replace('10%', 'some'))
  const { code, stdout, stderr } = await runCommand({}, 'sim', 'validate', path)
  expect([code, stderr]).toEqual([2, `muster: ${path} is not a scenario\n`])
  expect(stdout).toContain(`${path}:4:8 devices.d.coutn is not known\n    did you mean count?\n`)
  expect(stdout).toContain(`${path}:7:26 phases[1].share must be a share like 5% or 0.05\n`)
  const json = await runCommand({}, 'sim', 'validate', path, '--json')
  expect(json.code).toBe(2)
  expect(JSON.parse(json.stdout)).toMatchObject({ valid: false, problems: { length: 3 } })
})

test('more devices than the machine can hold are refused before anything is made', async () => {
  const huge = await runCommand(
    { MUSTER_API_URL: 'https://localhost:1' },
    'sim',
    'run',
    await file(mine),
    '--devices',
    '1000000',
  )
  expect([huge.code, huge.stderr]).toEqual([
    2,
    expect.stringMatching(/^muster: 1,000,000 devices are too many.*local ports/),
  ])
  const small = await runCommand({ MUSTER_DATA: '/nowhere' }, 'sim', 'run', await file(mine))
  expect([small.code, small.stderr]).toEqual([3, expect.stringContaining('no root certificate')])
})

test('what a scenario says does not act on the terminal', async () => {
  const bad = await file(mine.replace('count: 40', 'count: 40, "\\e]0;x\\a": 1'))
  for (const command of ['validate', 'run']) {
    const { code, stdout, stderr } = await runCommand({}, 'sim', command, bad)
    expect([code, stdout + stderr]).toEqual([2, expect.stringContaining('devices.d.\\u001b]0;x\\u0007 is not known')])
  }
  const titled = await runCommand(
    {},
    'sim',
    'validate',
    await file(mine.replace('title: Mine', 'title: "\\e[31mMine"')),
  )
  expect([titled.code, titled.stdout]).toEqual([0, expect.stringContaining('mine is valid: \\u001b[31mMine\n')])
})

test('what is neither a file nor in the library is told, with what there is', async () => {
  const { code, stderr } = await runCommand({}, 'sim', 'validate', 'blak-friday')
  expect(code).toBe(2)
  expect(stderr).toMatch(/neither a file nor a scenario blak-friday\n {2}the library has bad-network, black-friday/)
})

test.each([[['--time', '0']], [['--time', 'fast']], [['--devices', '0']]])(
  'a size that is none: %j',
  async (option) => {
    expect((await runCommand({}, 'sim', 'validate', 'black-friday', ...option)).code).toBe(2)
  },
)
