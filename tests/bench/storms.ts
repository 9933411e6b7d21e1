/**
 * What refused clients cost a broker, and what they cost others: CPU per connection, and how long honest devices wait for their CONNACK
 * while one revoked device hammers. `node tests/bench/storms.ts` — loopback only, ends by itself in about a minute.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { enrol, loadCredentials, memoryStore } from '@muster/device'
import { call } from '../harness/http.ts'
import { freePorts, root, startProcess } from '../harness/process.ts'
import { openTls, sendConnect, type TlsCredentials } from '../harness/raw-mqtt.ts'
import { waitFor } from '../harness/wait.ts'

/** The hammer is a process of its own, so that it delays nobody but the broker. */
if (process.argv[2] === 'hammer') {
  const [order] = await once(process, 'message')
  let sent = 0
  setInterval(() => {
    sent += 1
    openTls(order.stack, order.device)
      .then(async ({ socket }) => {
        await sendConnect(socket, order.id)
        socket.destroy()
      })
      .catch(() => {})
  }, 5)
  process.on('message', () => process.send?.(sent, () => process.exit(0)))
  await new Promise(() => {})
}

const directory = await mkdtemp(join(tmpdir(), 'muster-bench-'))
const [api = 0, pki = 0, mqtt = 0, provisionerMetrics = 0, brokerMetrics = 0] = await freePorts(5)
const up = startProcess(join(root, 'muster'), ['up'], {
  env: {
    PATH: process.env.PATH,
    MUSTER_DATA: directory,
    MUSTER_API_PORT: String(api),
    MUSTER_PKI_PORT: String(pki),
    MUSTER_MQTT_PORT: String(mqtt),
    MUSTER_PROVISIONER_METRICS_PORT: String(provisionerMetrics),
    MUSTER_BROKER_METRICS_PORT: String(brokerMetrics),
    MUSTER_LOG_LEVEL: 'warn',
  },
})
await waitFor('ready', async () => (await fetch(`http://127.0.0.1:${brokerMetrics}/readyz`)).ok, { timeoutMs: 60_000 })
const ca = await readFile(join(directory, 'ca/root.crt'), 'utf8')
const token = (await readFile(join(directory, 'operator-token'), 'utf8')).trim()
const ask = (path: string, body?: unknown) => call({ port: api, ca, token, path, ...(body !== undefined && { body }) })

async function enrolDevice(id: string): Promise<TlsCredentials & { id: string }> {
  const { json } = await ask('/v1/claims', { device: id })
  const store = memoryStore()
  await enrol({ url: `https://localhost:${api}`, claim: json.claim, store })
  const { key, certificate } = await loadCredentials(store)
  return { id, key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: certificate }
}

async function cpuMs(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${brokerMetrics}/metrics`)).text()
  return Number(/^process_cpu_seconds_total\S* (\S+)/m.exec(text)?.[1]) * 1_000
}

/** One connection, until CONNACK or the end; in milliseconds. */
async function attempt(device: Partial<TlsCredentials>, id: string, session?: Buffer) {
  const begun = performance.now()
  try {
    const { socket, session: next } = await openTls({ ca, ports: { mqtt } }, device, { ...(session && { session }) })
    await sendConnect(socket, id)
    const took = performance.now() - begun
    const ticket = session === undefined ? undefined : await next()
    socket.destroy()
    return { took, ticket }
  } catch {
    return { took: performance.now() - begun, ticket: undefined }
  }
}

async function cost(times: number, act: () => Promise<unknown>): Promise<number> {
  const before = await cpuMs()
  let left = times
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (left-- > 0) await act()
    }),
  )
  return ((await cpuMs()) - before) / times
}

const devices = await Promise.all(Array.from({ length: 8 }, (_, index) => enrolDevice(`honest-${index}`)))
const revoked = await enrolDevice('revoked-1')
await ask('/v1/devices/revoked-1/revoke', { reason: 'keyCompromise' })
let turn = 0
const honest = () => {
  const device = devices[turn++ % devices.length]
  return device ? attempt(device, device.id) : Promise.reject(new Error('no device'))
}
const print = (what: string, figure: string) => console.log(`${what.padEnd(60)} ${figure}`)
const samples: Record<string, number[]> = {}
await cost(300, honest)
for (let round = 0; round < 3; round++) {
  const kinds: [string, () => Promise<unknown>][] = [
    ['admitted', honest],
    ['revoked, cut after its handshake', () => attempt(revoked, 'revoked-1')],
    ['without a certificate', () => attempt({}, 'x')],
  ]
  for (const [kind, act] of kinds) {
    samples[kind] ??= []
    samples[kind].push(await cost(300, act))
  }
}
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN
for (const [kind, values] of Object.entries(samples))
  print(`broker CPU per connection, ${kind}`, `${median(values).toFixed(2)} ms`)

async function latencies(seconds: number): Promise<number[]> {
  const took: number[] = []
  const end = performance.now() + seconds * 1_000
  while (performance.now() < end) {
    took.push((await honest()).took)
    await sleep(50)
  }
  return took.toSorted((a, b) => a - b)
}
const show = (took: number[]) =>
  `p50 ${median(took).toFixed(1)} ms, p95 ${took[Math.floor(took.length * 0.95)]?.toFixed(1)} ms`
for (let round = 0; round < 2; round++) {
  print('honest devices wait for CONNACK, nobody else there', show(await latencies(6)))
  const hammer = fork(import.meta.filename, ['hammer'])
  hammer.send({ stack: { ca, ports: { mqtt } }, device: revoked, id: 'revoked-1' })
  await sleep(1_000)
  const before = await cpuMs()
  const took = await latencies(6)
  const percent = ((await cpuMs()) - before) / 60
  hammer.send('stop')
  const [sent] = await once(hammer, 'message')
  const what = `the same, ${(sent / 7).toFixed(0)} attempts of a revoked device a second`
  print(what, `${show(took)}; broker ${percent.toFixed(0)} % of a core`)
  await sleep(2_000)
}
await up[Symbol.asyncDispose]()
await rm(directory, { recursive: true, force: true })
process.exit(0)
