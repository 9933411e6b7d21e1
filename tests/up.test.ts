import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { call } from './harness/http.ts'
import { freePorts, type RunningProcess, root, startProcess } from './harness/process.ts'
import { waitFor } from './harness/wait.ts'

let data: string
let env: NodeJS.ProcessEnv
let apiPort: number

beforeAll(async () => {
  const parent = await mkdtemp(join(tmpdir(), 'muster-up-'))
  // Root's PostgreSQL runs under another account.
  await chmod(parent, 0o711)
  data = join(parent, 'data')
  const [api = 0, pki = 0, mqtt = 0, provisionerMetrics = 0, brokerMetrics = 0] = await freePorts(5)
  apiPort = api
  env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    MUSTER_API_PORT: String(api),
    MUSTER_PKI_PORT: String(pki),
    MUSTER_MQTT_PORT: String(mqtt),
    MUSTER_PROVISIONER_METRICS_PORT: String(provisionerMetrics),
    MUSTER_BROKER_METRICS_PORT: String(brokerMetrics),
  }
})
afterAll(() => rm(join(data, '..'), { recursive: true, force: true }))

const up = (...args: string[]): RunningProcess => startProcess('./muster', ['up', '--data', data, ...args], { env })

interface Found {
  pid: number
  command: string
}

/** Everything that works for this data directory: our processes by their environment, PostgreSQL by its command line. */
async function findProcesses(): Promise<Found[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const read = (pid: string, name: string) => readFile(join('/proc', pid, name), 'utf8').catch(() => '')
  const all = await Promise.all(
    pids.map(async (pid) => ({
      pid: Number(pid),
      command: (await read(pid, 'cmdline')).replaceAll('\0', ' '),
      environment: await read(pid, 'environ'),
    })),
  )
  return all.filter(({ command, environment }) => command.includes(data) || environment.includes(`=${data}\0`))
}

async function findPid(pattern: RegExp): Promise<number> {
  const found = (await findProcesses()).find(({ command }) => pattern.test(command))
  if (!found) throw new Error(`no process like ${pattern}`)
  return found.pid
}

async function interrupt(running: RunningProcess): Promise<void> {
  running.child.kill('SIGINT')
  expect(await running.exited(), running.output()).toBe(0)
}

async function listDevices(): Promise<{ id: string; state: string }[]> {
  const ca = await readFile(join(data, 'ca/root.crt'), 'utf8')
  const token = (await readFile(join(data, 'operator-token'), 'utf8')).trim()
  return (await call({ port: apiPort, ca, token, path: '/v1/devices?group=demo' })).json.items
}

/** As many as the broker sends with a full handshake: before its answer to the CONNECT, which is a refusal here. */
async function countTickets(): Promise<number> {
  const ca = await readFile(join(data, 'ca/root.crt'), 'utf8')
  const socket = connectTls({ host: '127.0.0.1', port: Number(env.MUSTER_MQTT_PORT), servername: 'localhost', ca })
  let tickets = 0
  socket.on('session', () => {
    tickets += 1
  })
  socket.write(Buffer.from([0x10, 12, 0, 4, ...Buffer.from('MQTT'), 4, 2, 0, 60, 0, 0]))
  socket.resume()
  await once(socket, 'close')
  return tickets
}

const expectNothingLeft = () => waitFor('nothing is left', async () => (await findProcesses()).length === 0)

test('the demo enrols, publishes and revokes; Ctrl-C leaves nothing behind', async () => {
  await using running = up('--demo', '3')
  await running.prints(/made a CA: root [0-9a-f]{64}\n/)
  await running.prints(/ready in [\d.]+ s\n/)
  await running.prints(/3 of 3 devices have enrolled/)
  await running.prints(/revoked demo-0002: its connection was closed \d+ ms after/)
  await running.prints(/receipts: broker-1 after \d+ ms/)
  await interrupt(running)
  await expectNothingLeft()
  expect(existsSync(join(data, 'pg/run/.s.PGSQL.5432'))).toBe(false)
  expect(running.output()).not.toContain(await readFile(join(data, 'operator-token'), 'utf8'))
})

test('a second demo brings back its devices, and another one for that which is revoked', async () => {
  await using running = up('--demo', '3')
  await running.prints(/3 of 3 devices have enrolled/)
  await running.prints(/receipts: broker-1/)
  const states = Object.fromEntries((await listDevices()).map(({ id, state }) => [id, state]))
  expect(Object.keys(states)).toEqual(['demo-0001', 'demo-0002', 'demo-0003', 'demo-0004'])
  expect(states['demo-0002']).toBe('revoked')
  expect(running.output()).not.toContain('demo-0002')
  expect(await countTickets()).toBe(1)
  await interrupt(running)
})

test.each([
  ['broker', /broker\/src\/main\.ts/],
  ['provisioner', /provisioner\/src\/main\.ts/],
  ['PostgreSQL', /postgres -D/],
])('%s comes back after kill -9', async (name, pattern) => {
  await using running = up()
  await running.prints(/ready in/)
  const before = await findPid(pattern)
  process.kill(before, 'SIGKILL')
  await running.prints(new RegExp(`${name} is ready again`))
  expect(await findPid(pattern)).not.toBe(before)
  await waitFor('the API answers', async () => (await listDevices()).length > 0)
  await interrupt(running)
  await expectNothingLeft()
})

test('nothing survives kill -9 of its owner, and the next start works', async () => {
  const killed = up('--demo', '2')
  await killed.prints(/2 of 2 devices have enrolled/)
  await killed.kill()
  await expectNothingLeft()
  await using running = up()
  await running.prints(/ready in/)
  await interrupt(running)
})

test('a second Ctrl-C does not wait for what does not end', async () => {
  const running = up()
  await running.prints(/ready in/)
  process.kill(await findPid(/broker\/src\/main\.ts/), 'SIGSTOP')
  running.child.kill('SIGINT')
  await running.prints(/stopping/)
  running.child.kill('SIGINT')
  expect(await running.exited()).toBe(130)
  await expectNothingLeft()
})

test('a second start on the same data says who is in the way', async () => {
  await using running = up()
  await running.prints(/ready in/)
  const second = up()
  expect(await second.exited()).toBe(1)
  expect(second.output()).toMatch(/^muster: ports .* are taken.*MUSTER_API_PORT.*\n$/)
  await interrupt(running)
})

test('a port that is taken is named in one line', async () => {
  const other = createServer().listen(Number(env.MUSTER_MQTT_PORT), '127.0.0.1')
  const running = up()
  expect(await running.exited()).toBe(1)
  expect(running.output()).toBe(
    `muster: port ${env.MUSTER_MQTT_PORT} (MQTT) is taken; is another \`muster up\` running? Otherwise set MUSTER_MQTT_PORT\n`,
  )
  await new Promise((resolve) => other.close(resolve))
})

test('a data directory that cannot be used is named in one line', async () => {
  const file = join(root, 'package.json')
  const running = startProcess('./muster', ['up', '--data', join(file, 'data')], { env })
  expect(await running.exited()).toBe(1)
  expect(running.output()).toMatch(/^muster: the data directory .* cannot be used \(E\w+\): make it .*--data.*\n$/)
})

test('Ctrl-C during the start stops cleanly too', async () => {
  await mkdir(data, { recursive: true })
  const running = up()
  await waitFor('PostgreSQL is being started', async () =>
    (await findProcesses()).some(({ command }) => /postgres -D/.test(command)),
  )
  await interrupt(running)
  await expectNothingLeft()
})
