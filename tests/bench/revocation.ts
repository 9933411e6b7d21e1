/**
 * Devices that publish, some of them revoked at random: how long from the API's answer until their socket is closed, and does
 * anything of them count after the receipt?
 * `node tests/bench/revocation.ts [--nodes 1] [--devices 5000] [--revoke 200] [--seconds 20]`
 * Loopback only; prints a Markdown table; exits 1 when something counted that must not.
 */
import { createHistogram } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Identity, type Load, openLoad } from '@muster/device-sim/load'
import { type PlatformNode, startPlatform } from '../harness/platform.ts'
import { waitFor } from '../harness/wait.ts'
import { describeMachine, formatSplit, measureCpu, readCpuMs } from './cpu.ts'
import { comeBack, monotonic, openWatch, type Watch } from './watch.ts'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '1' },
    devices: { type: 'string', default: '5000' },
    revoke: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '20' },
  },
})
const count = { nodes: Number(values.nodes), devices: Number(values.devices), revoke: Number(values.revoke) }
const overMs = Number(values.seconds) * 1_000
const budgetMs = count.nodes === 1 ? 25 : 100
const everyMs = 2_000
/** For how long a device gets commands before it is revoked. */
const leadMs = 300

interface Revocation {
  device: string
  node: number
  identity: Identity
  /** When the API had answered, and when it first said that every node has its receipt. */
  answered: bigint
  complete: bigint
  /** The last receipt, by the node's own clock. */
  receiptAt: string
}

await using platform = await startPlatform()
for (let index = 2; index <= count.nodes; index++) await platform.addNode(`broker-${index}`)
const identities = await platform.enrol(Array.from({ length: count.devices }, (_, index) => `device-${index}`))
const watchers = await platform.enrol(
  platform.nodes.map((_, index) => `watcher-${index}`),
  { profile: 'service' },
)

const share = Math.ceil(count.devices / count.nodes)
const nodeOf = (index: number) => Math.floor(index / share)
const all = { from: 0, to: share }
const loads: Load[] = []
const watches: Watch[] = []
for (const [index, node] of platform.nodes.entries()) {
  const target = { host: '127.0.0.1', port: node.port, servername: 'localhost', ca: platform.ca }
  const own = identities.slice(index * share, (index + 1) * share)
  const load = await openLoad({ target, identities: own, addresses: 8 })
  loads.push(load)
  const { connected, failures } = await load.connect({ ...all, concurrency: 32, keepAliveSeconds: 300 })
  if (connected !== own.length) throw new Error(`not all were let in: ${JSON.stringify(failures)}`)
  const topic = 'fleets/default/devices/{id}/'
  const { refused } = await load.subscribe({ ...all, filter: `${topic}commands/#`, qos: 1 })
  if (refused > 0) throw new Error(`${refused} subscriptions were refused`)
  await load.startPaced({ ...all, topic: `${topic}telemetry/bench`, qos: 1, payloadBytes: 100, everyMs })
  const watcher = watchers[index]
  if (watcher) watches.push(await openWatch(node, platform.ca, watcher))
}
process.stderr.write(`${count.devices} devices are connected and publish\n`)

const victims = shuffle([...identities.keys()]).slice(0, count.revoke)
const parties = {
  broker: platform.nodes.map(({ pid }) => pid),
  database: platform.pids.postmaster,
  load: loads.flatMap(({ pids }) => pids),
}
const provisionerBefore = readCpuMs(platform.pids.provisioner)
let asked = 0
const measured = await measureCpu(parties, () => Promise.all(victims.map(revokeSometime)))
const provisionerMs = readCpuMs(platform.pids.provisioner) - provisionerBefore
const revocations = measured.result
const problems: string[] = []
const closing = await readClosing()
await tryAfterwards()
report()
for (const load of loads) await load[Symbol.asyncDispose]()
for (const watch of watches) watch.close()
if (problems.length > 0) process.exitCode = 1

async function revokeSometime(index: number): Promise<Revocation> {
  const identity = identities[index] as Identity
  const { id: device } = identity
  await delay(Math.random() * overMs)
  const node = nodeOf(index)
  // Commands under way before, while and after it goes, as well as its own messages.
  const commands = setInterval(() => watches[node]?.command(device), 50)
  await delay(leadMs)
  const { revocation } = await platform.api(`/v1/devices/${device}/revoke`, { reason: 'keyCompromise' })
  const answered = monotonic()
  const { nodes } = await waitFor(
    'every node has its receipt',
    async () => {
      asked++
      const state = await platform.api(`/v1/revocations/${revocation}`)
      return state.complete ? state : undefined
    },
    { timeoutMs: 60_000, everyMs: 50 },
  )
  const complete = monotonic()
  await delay(200)
  clearInterval(commands)
  const receiptAt =
    (nodes as { at: string }[])
      .map(({ at }) => at)
      .sort()
      .at(-1) ?? ''
  return { device, node, identity, answered, complete, receiptAt }
}

async function readClosing() {
  const closings = new Map((await Promise.all(loads.map((load) => load.closings()))).flat().map((one) => [one.id, one]))
  const histogram = createHistogram()
  for (const { device, answered } of revocations) {
    const closed = closings.get(device)
    closings.delete(device)
    // It may close before the API's answer is read: that is no time at all.
    if (closed) histogram.record(Math.max(1, Number((closed.at - answered) / 1_000n)))
    else problems.push(`${device} was not closed`)
  }
  for (const other of closings.keys()) problems.push(`${other} was closed, though nobody revoked it`)
  return histogram
}

/** After the receipts: nothing more of them, and nothing more to them, whatever they try. */
async function tryAfterwards() {
  for (const { device, identity, node } of revocations) {
    watches[node]?.command(device)
    if (await comeBack(platform.nodes[node] as PlatformNode, platform.ca, identity, `after ${device}`))
      problems.push(`${device} was let in again`)
  }
  const stored = await platform.query(
    `select t.device from telemetry t join unnest($1::text[], $2::timestamptz[]) as revoked (device, at) on t.device = revoked.device
     where t.received_at > revoked.at`,
    [revocations.map(({ device }) => device), revocations.map(({ receiptAt }) => receiptAt)],
  )
  for (const { device } of stored.rows) problems.push(`a message of ${device} was stored after its receipt`)
  for (const { device, node, complete } of revocations) {
    const last = watches[node]?.lastFrom.get(device) ?? 0n
    if (last > complete) problems.push(`a message of ${device} was delivered after its receipt`)
    if (watches[node]?.payloads.has(`after ${device}`)) problems.push(`${device} spoke after its receipt`)
  }
  const heard = new Map((await Promise.all(loads.map((load) => load.heard()))).flat().map((one) => [one.id, one.at]))
  for (const { device, complete } of revocations) {
    const last = heard.get(device)
    if (last === undefined) problems.push(`${device} never heard a command: to check that it stops is worth nothing`)
    else if (last > complete) problems.push(`${device} heard a command after its receipt`)
  }
  if (watches.some(({ lastFrom }) => lastFrom.size === 0))
    problems.push('no telemetry was heard: the check is worth nothing')
}

function report() {
  const ms = (microseconds: number) => (microseconds / 1_000).toFixed(1)
  const { elapsedMs, split } = measured
  console.log('| revoke -> socket closed | p50 | p99 | max | budget |')
  console.log('|---|---|---|---|---|')
  const nodes = count.nodes === 1 ? 'one node' : `${count.nodes} nodes`
  const what = `${nodes}, ${count.devices.toLocaleString('en')} connected, ${count.revoke} revoked in ${Math.round(elapsedMs / 1_000)} s`
  console.log(
    `| ${what} | ${ms(closing.percentile(50))} ms | ${ms(closing.percentile(99))} ms | ${ms(closing.max)} ms | p99 < ${budgetMs} ms |`,
  )
  console.log(
    `\n${formatSplit(split)}; each device publishes every ${everyMs / 1_000} s; receipts were asked for ${asked} times, provisioner ${Math.round((provisionerMs / elapsedMs) * 100)} % of a core\n\n${describeMachine()}`,
  )
  console.log(
    problems.length === 0 ? '\nNothing of a revoked device counted after its receipt.' : `\n${problems.join('\n')}`,
  )
}

function shuffle<T>(items: T[]): T[] {
  for (let index = items.length - 1; index > 0; index--) {
    const other = Math.floor(Math.random() * (index + 1))
    const [one, two] = [items[index] as T, items[other] as T]
    items[index] = two
    items[other] = one
  }
  return items
}
