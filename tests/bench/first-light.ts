/**
 * What one machine does with the whole platform and the load on it: start, enrolments, connects, stored messages, revocation.
 * `node tests/bench/first-light.ts` — loopback only, ends by itself in about a minute.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHistogram } from 'node:perf_hooks'
import { enrol, loadCredentials, memoryStore } from '@muster/device'
import { createCsr, generateKey } from '@muster/pki'
import { connectAsync, type MqttClient } from 'mqtt'
import { call } from '../harness/http.ts'
import { openTls, sendConnect, type TlsCredentials } from '../harness/raw-mqtt.ts'
import { removal, startUp } from '../harness/up.ts'
import { nextEvent } from '../harness/wait.ts'

const directory = await mkdtemp(join(tmpdir(), 'muster-bench-'))

const report = (what: string, figure: string) => console.log(`${what.padEnd(52)} ${figure}`)

async function start() {
  const begun = performance.now()
  const up = await startUp({ directory })
  return { up, seconds: (performance.now() - begun) / 1_000 }
}

/** User and system time of a process of the platform, found by its script. */
async function cpuSeconds(port: number): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return Number(/^process_cpu_seconds_total\S* (\S+)/m.exec(metrics)?.[1])
}

async function inParallel<T>(count: number, width: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const done: T[] = []
  let next = 0
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let index = next++; index < count; index = next++) done[index] = await work(index)
    }),
  )
  return done
}

const first = await start()
report('start to ready, empty directory', `${first.seconds.toFixed(2)} s`)
await first.up[Symbol.asyncDispose]()
const { up, seconds } = await start()
report('start to ready, existing directory', `${seconds.toFixed(2)} s`)

try {
  const { ca, ask, url, ports } = up
  const { api, mqtt, provisionerMetrics, brokerMetrics } = ports

  const count = 1_000
  const claim = (await ask('/v1/claims', { uses: count })).json.claim
  const requests = await inParallel(count, 4, async (index) => ({
    claim,
    csr: createCsr(await generateKey()).toString('base64'),
    device: `bench-${index}`,
  }))
  const cpuBefore = await cpuSeconds(provisionerMetrics)
  let begun = performance.now()
  await inParallel(count, 16, async (index) => {
    const answer = await call({ port: api, ca, path: '/v1/enrol', body: requests[index] })
    if (answer.status !== 201) throw new Error(answer.text)
  })
  const enrolSeconds = (performance.now() - begun) / 1_000
  report('enrolments, a new TLS connection each', `${(count / enrolSeconds).toFixed(0)}/s`)
  const enrolCpu = ((await cpuSeconds(provisionerMetrics)) - cpuBefore) / count
  report('  provisioner CPU each', `${(enrolCpu * 1_000).toFixed(2)} ms`)

  const fleet = 200
  const fleetClaim = (await ask('/v1/claims', { uses: fleet })).json.claim
  const devices = await inParallel(fleet, 8, async (index) => {
    const store = memoryStore()
    await enrol({ url, claim: fleetClaim, store, device: `fleet-${index}` })
    const { key, certificate } = await loadCredentials(store)
    return { key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: certificate } satisfies TlsCredentials
  })

  const stack = { ca, ports: { mqtt } }
  for (const [what, resume] of [
    ['full', false],
    ['resumed', true],
  ] as const) {
    const sessions = new Map<number, Buffer>()
    if (resume)
      await inParallel(fleet, 8, async (index) => {
        const device = devices[index]
        if (!device) return
        const { socket, session } = await openTls(stack, device)
        await sendConnect(socket, `fleet-${index}`)
        sessions.set(index, await session())
        socket.destroy()
      })
    const rounds = 5
    const before = await cpuSeconds(brokerMetrics)
    begun = performance.now()
    for (let round = 0; round < rounds; round++)
      await inParallel(fleet, 16, async (index) => {
        const device = devices[index]
        if (!device) return
        const kept = sessions.get(index)
        const { socket, session } = await openTls(stack, device, kept ? { session: kept } : {})
        const answer = await sendConnect(socket, `fleet-${index}`)
        if (answer?.cmd !== 'connack' || answer.returnCode !== 0) throw new Error('not admitted')
        if (resume) sessions.set(index, await session())
        socket.destroy()
      })
    const total = rounds * fleet
    report(
      `${what} mutual-TLS connects with CONNACK`,
      `${(total / ((performance.now() - begun) / 1_000)).toFixed(0)}/s`,
    )
    const cpu = ((await cpuSeconds(brokerMetrics)) - before) / total
    report('  broker CPU each', `${(cpu * 1_000).toFixed(2)} ms`)
  }

  const connect = (index: number): Promise<MqttClient> =>
    connectAsync(`mqtts://localhost:${mqtt}`, {
      ...devices[index],
      ca,
      clientId: `fleet-${index}`,
      protocolVersion: 4,
      reconnectPeriod: 0,
    })
  const publishers = await inParallel(50, 8, connect)
  const latency = createHistogram()
  const seconds5 = 5
  const cpu = await cpuSeconds(brokerMetrics)
  begun = performance.now()
  const until = begun + seconds5 * 1_000
  let acknowledged = 0
  await Promise.all(
    publishers.flatMap((client, index) =>
      Array.from({ length: 20 }, async () => {
        const topic = `fleets/default/devices/fleet-${index}/telemetry`
        while (performance.now() < until) {
          const sent = performance.now()
          await client.publishAsync(topic, Buffer.alloc(100, 'x'), { qos: 1 })
          latency.record(Math.max(1, Math.round((performance.now() - sent) * 1_000)))
          acknowledged++
        }
      }),
    ),
  )
  const elapsed = (performance.now() - begun) / 1_000
  report('QoS 1 telemetry acknowledged after commit, 100 B', `${(acknowledged / elapsed).toFixed(0)}/s`)
  report(
    '  p50 / p99',
    `${(latency.percentile(50) / 1_000).toFixed(1)} / ${(latency.percentile(99) / 1_000).toFixed(1)} ms`,
  )
  report('  broker CPU each', `${((((await cpuSeconds(brokerMetrics)) - cpu) / acknowledged) * 1e6).toFixed(0)} us`)

  const others = await Promise.all(Array.from({ length: 150 }, (_, index) => connect(50 + index)))
  const closing = createHistogram()
  for (const [index, client] of others.slice(0, 50).entries()) {
    const closed = nextEvent(client, 'close')
    const asked = performance.now()
    await ask(`/v1/devices/fleet-${50 + index}/revoke`, { reason: 'keyCompromise' })
    await closed
    closing.record(Math.max(1, Math.round((performance.now() - asked) * 1_000)))
  }
  const inMs = (percent: number) => (closing.percentile(percent) / 1_000).toFixed(1)
  report(
    'revoke asked -> socket closed, 200 connected',
    `p50 ${inMs(50)}, p99 ${inMs(99)}, max ${(closing.max / 1_000).toFixed(1)} ms`,
  )
  await Promise.all([...publishers, ...others].map((client) => client.endAsync(true)))
} finally {
  await up[Symbol.asyncDispose]()
  await rm(directory, removal)
}
const [cpu] = cpus()
console.log(`\n${cpus().length} x ${cpu?.model}, Node ${process.version}, load and platform on the same cores`)
