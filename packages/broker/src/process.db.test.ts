import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTestDb } from '@muster/db/testing'
import { expect, test } from 'vitest'

const main = join(import.meta.dirname, 'main.ts')

/** Runs the process to its end, with a channel to its parent as `muster up` has. */
async function run(env: Record<string, string>, args: string[] = []) {
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk))
  const [code] = await once(child, 'exit')
  const lines = output.split('\n').filter((line) => line !== '' && !line.startsWith('{'))
  return { code, lines }
}

test('names everything that is wrong with its configuration', async () => {
  const { code, lines } = await run({ MUSTER_MQTT_PORT: '99999', MUSTER_NODE: 'A B', MUSTER_API_URL: 'http://x' })
  expect(code).toBe(1)
  expect(lines.slice(1).map((line) => line.trim().split(':')[0])).toEqual([
    'MUSTER_MQTT_PORT',
    'MUSTER_DATABASE_URL',
    'MUSTER_NODE',
    'MUSTER_API_URL',
  ])
})

test('checks its configuration without starting', async () => {
  const { code } = await run({ MUSTER_DATABASE_URL: 'postgresql://127.0.0.1:1/none' }, ['--check-config'])
  expect(code).toBe(0)
})

test('says in one line that there is no database', async () => {
  const { code, lines } = await run({ MUSTER_DATABASE_URL: 'postgresql://127.0.0.1:1/none' })
  expect({ code, lines: lines.length }).toEqual({ code: 1, lines: 1 })
})

test('says in one line that it cannot enrol: no claim, or one that is not a claim', async () => {
  await using database = await openTestDb()
  const data = await mkdtemp(join(tmpdir(), 'muster-broker-'))
  const env = { MUSTER_DATABASE_URL: database.as('muster_broker'), MUSTER_DATA: data }
  const without = await run(env)
  expect(without).toMatchObject({ code: 1, lines: [expect.stringContaining('MUSTER_CLAIM')] })

  const malformed = await run({ ...env, MUSTER_CLAIM: 'muster1.nonsense' })
  expect(malformed).toMatchObject({ code: 1, lines: [expect.not.stringContaining('nonsense')] })
  await rm(data, { recursive: true })
})
