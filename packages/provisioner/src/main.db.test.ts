import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTestDb, type TestDb } from '@muster/db/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { provisionerMain } from './index.ts'

let database: TestDb
let data: string
beforeAll(async () => {
  database = await openTestDb()
  data = await mkdtemp(join(tmpdir(), 'muster-main-'))
})
afterAll(async () => {
  await database?.[Symbol.asyncDispose]()
  await rm(data, { recursive: true, force: true })
})

function start(env: Record<string, string> = {}, args: string[] = []) {
  const child: ChildProcess = spawn(process.execPath, [provisionerMain, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      MUSTER_DATA: data,
      MUSTER_API_PORT: '0',
      MUSTER_PKI_PORT: '0',
      MUSTER_PROVISIONER_METRICS_PORT: '0',
      MUSTER_DATABASE_URL: database.as('muster_provisioner'),
      ...env,
    },
  })
  const exit = once(child, 'exit').then(([code]) => code as number | null)
  const output = { out: '', err: '' }
  child.stderr?.on('data', (chunk) => {
    output.err += chunk
  })
  const ready = new Promise<{ api: number; pki: number; metrics: number }>((resolve, reject) => {
    child.stdout?.on('data', (chunk) => {
      output.out += chunk
      for (const line of output.out.split('\n').slice(0, -1))
        if (line.includes('"ports"')) resolve(JSON.parse(line).ports)
    })
    exit.then((code) => reject(new Error(`ended with ${code}: ${output.err}`)))
  })
  ready.catch(() => {})
  return { child, exit, ready, output }
}

test('starts, tells how it is, serves CA certificates, and ends when told to', async () => {
  const { child, exit, ready } = start()
  const ports = await ready
  const get = (port: number, path: string) => fetch(`http://127.0.0.1:${port}${path}`)
  expect((await get(ports.metrics, '/livez')).status).toBe(200)
  expect((await get(ports.metrics, '/readyz')).status).toBe(200)
  expect(await (await get(ports.metrics, '/metrics')).text()).toContain('muster_enrolments_total')
  expect(await (await get(ports.pki, '/ca/roots.pem')).text()).toBe(await readFile(join(data, 'ca/root.crt'), 'utf8'))
  const issuing = await get(ports.pki, '/ca/issuing-1.crt')
  expect(issuing.headers.get('content-type')).toBe('application/pkix-cert')
  expect((await get(ports.pki, '/ca/passphrase')).status).toBe(404)
  child.kill('SIGTERM')
  expect(await exit).toBe(0)
})

test('ends with its parent, and starts again on what is there', async () => {
  const { child, exit, ready } = start()
  await ready
  child.disconnect()
  expect(await exit).toBe(0)
})

test.each([
  [{ MUSTER_API_PORT: 'x', MUSTER_NODE: '' }, [], 1, /^provisioner: .*\n {2}MUSTER_API_PORT: .*\n$/],
  [{ MUSTER_DATABASE_URL: '' }, ['--check-config'], 1, /MUSTER_DATABASE_URL: is needed/],
  [{ MUSTER_DATABASE_URL: 'postgresql://x@127.0.0.1:1/x' }, [], 1, /^provisioner: the database cannot be .*\n$/],
  [{ MUSTER_DATA: '/dev/null/data' }, [], 1, /^provisioner: \/dev\/null\/data.*\n$/],
  [{}, ['--check-config'], 0, /^$/],
])('%j %j ends with %i', async (env, args, code, message) => {
  const { exit, output } = start(env as Record<string, string>, args)
  expect(await exit).toBe(code)
  expect(output.err).toMatch(message)
})
