/**
 * What a simulated device costs the simulator: memory beside a bare TLS connection with a certificate of the same kind, in the same run;
 * enrolments a second, and messages that a core of a worker publishes and checks.
 * `node tests/bench/simulator.ts [--devices 1000]` — loopback only, ends by itself.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSecureContext, createServer, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { parseArgs } from 'node:util'
import { type Credentials, enrol, loadCredentials, memoryStore } from '@muster/device'
import { startSimulatorWorker } from '../harness/simulator-worker.ts'
import { startUp } from '../harness/up.ts'
import { describeMachine, readMemory } from './cpu.ts'

interface BareOrder {
  count: number
  port: number
  key: string
  cert: string
  ca: string
}

/** Nothing but TLS connections: what a device costs that does nothing. */
if (process.argv[2] === 'bare') {
  const sockets: TLSSocket[] = []
  process.on('message', async ({ count, port, key, cert, ca }: BareOrder) => {
    for (let index = 0; index < count; index += 1) {
      const secureContext = createSecureContext({ key, cert, ca, minVersion: 'TLSv1.2' })
      const socket = tlsConnect({ host: '127.0.0.1', port, secureContext, rejectUnauthorized: false })
      socket.on('error', () => undefined)
      socket.on('data', () => undefined)
      sockets.push(socket)
      await once(socket, 'secureConnect')
    }
    process.send?.('connected')
  })
  process.on('disconnect', () => process.exit())
  await new Promise(() => {})
}

const { values } = parseArgs({ options: { devices: { type: 'string', default: '1000' } } })
const devices = Number(values.devices)
const warm = Math.min(200, devices)
const publishers = Math.min(100, devices)
// A handful shows that it works, and no figures.
const settleMs = devices < 100 ? 300 : 3_000
const publishMs = devices < 100 ? 1_000 : 5_000
/** Until a worker has told what it uses. */
const tickMs = 1_100

/** What is garbage belongs to nobody: it is collected before memory is looked at. */
const execArgv = ['--expose-gc', '--import', "data:text/javascript,process.on('SIGUSR2', () => gc())"]
async function settledMemory(pid: number): Promise<number> {
  await sleep(settleMs)
  process.kill(pid, 'SIGUSR2')
  await sleep(tickMs)
  return readMemory(pid).rss
}

await using ending = new AsyncDisposableStack()
const { url, ask } = ending.use(await startUp({ env: { MUSTER_LOG_LEVEL: 'warn' } }))

async function createClaim(uses: number): Promise<string> {
  return (await ask('/v1/claims', { uses })).json.claim
}

async function measureBare({ key, certificate, roots }: Credentials): Promise<number> {
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString()
  const server = createServer({ key: pem, cert: certificate, requestCert: true, rejectUnauthorized: false }, (socket) =>
    socket.on('error', () => undefined),
  ).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const child = fork(import.meta.filename, ['bare'], { execArgv })
  const connect = async (count: number) => {
    const { port } = server.address() as AddressInfo
    child.send({ count, port, key: pem, cert: certificate, ca: roots } satisfies BareOrder)
    await once(child, 'message')
    return settledMemory(child.pid ?? 0)
  }
  const before = await connect(warm)
  const after = await connect(devices)
  const ended = once(child, 'exit')
  child.disconnect()
  await ended
  server.close()
  return (after - before) / devices
}

const store = memoryStore()
await enrol({ url, claim: await createClaim(1), store, device: 'bare-1' })
const bareKiB = await measureBare(await loadCredentials(store))

const scenario = {
  name: 'bench',
  title: 'What a simulated device costs',
  devices: {
    warm: { count: warm },
    idle: { count: devices },
    busy: { count: publishers, telemetry: [{ every: '20ms', payload: { shape: 'bytes', size: 200 } }] },
  },
  phases: [
    { do: 'boot', of: ['warm'], over: '1s', within: '5m' },
    { do: 'boot', of: ['idle'], over: '1ms', within: '1h' },
    { do: 'boot', of: ['busy'], over: '1s', within: '5m' },
    { do: 'steady', for: `${publishMs}ms` },
  ],
}
const worker = ending.use(await startSimulatorWorker(execArgv))
const total = warm + devices + publishers
worker.order({
  order: 'assign',
  assignment: {
    ...{ run: 'bench', scenario: JSON.stringify(scenario), from: 0, to: total, prefix: 'b', fleet: 'default', url },
    claims: { warm: await createClaim(warm), idle: await createClaim(devices), busy: await createClaim(publishers) },
  },
})
await worker.play(0)
const before = await settledMemory(worker.pid)
const heapBefore = worker.tick()?.usage.heapBytes ?? 0
const bootedAt = performance.now()
await worker.play(1, 3_600_000)
const bootMs = performance.now() - bootedAt
const deviceKiB = ((await settledMemory(worker.pid)) - before) / devices
const heapKiB = ((worker.tick()?.usage.heapBytes ?? 0) - heapBefore) / 1_024 / devices

await worker.play(2)
await sleep(settleMs / 2)
const counted = () => ({ counts: worker.tick()?.counts, cpuMs: worker.tick()?.usage.cpuMs ?? 0 })
const first = counted()
await worker.play(3)
const last = counted()
const acknowledged = (last.counts?.acknowledged ?? 0) - (first.counts?.acknowledged ?? 0)
const cpuMs = last.cpuMs - first.cpuMs
const { leftovers } = await worker.finish()
const working = worker.saw('end').filter(({ state }) => state === 'working').length
if (working !== total || leftovers.length > 0)
  throw new Error(`${working} of ${total} devices are at work; left over: ${leftovers.join(', ') || 'nothing'}`)

console.log(`${describeMachine()}\n`)
console.log('| what | figure | note |\n| --- | ---: | --- |')
const print = (what: string, figure: string, note: string) => console.log(`| ${what} | ${figure} | ${note} |`)
const idle = `${devices} connections, RSS`
print('bare TLS connection with a certificate', `${bareKiB.toFixed(1)} KiB`, idle)
print('simulated device, connected and idle', `${deviceKiB.toFixed(1)} KiB`, idle)
print(
  'above the TLS connection',
  `${(deviceKiB - bareKiB).toFixed(1)} KiB`,
  `budget 60 KiB; heap ${heapKiB.toFixed(1)} KiB`,
)
print('enrolled, connected, subscribed', `${Math.round((devices / bootMs) * 1_000)}/s`, 'platform on the same machine')
print('messages a core of a worker', `${Math.round((acknowledged / cpuMs) * 1_000)}/s`, `${acknowledged} acknowledged`)
