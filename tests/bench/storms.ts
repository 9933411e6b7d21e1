/**
 * What refused clients cost a broker, and what they cost everybody else: honest devices publish and connect at a steady rate, alone and beside
 * devices that are revoked and hammer, in turns within one run. `node tests/bench/storms.ts [--seconds 6] [--rounds 2] [--only "1 revoked,…"]`
 * Loopback only; prints Markdown. docs/benchmarks.md says what is measured.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type Identity, openLoad } from '@muster/device-sim/load'
import { startPlatform } from '../harness/platform.ts'
import { describeMachine, type Measured, measureCpu } from './cpu.ts'
import type { HammerOrder, HammerReport } from './hammer.ts'
import type { HonestOrder, HonestReport } from './honest.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '2' },
    only: { type: 'string' },
    publishers: { type: 'string', default: '200' },
    nice: { type: 'string', default: '10' },
    'cpu-prof': { type: 'string' },
  },
})
const [seconds, rounds, publisherCount] = [values.seconds, values.rounds, values.publishers].map(Number) as [
  number,
  number,
  number,
]
const hammers = 50
const guestEveryMs = 50
const numbered = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name}-${index}`)
const addressesOf = (network: string, count: number) =>
  Array.from({ length: count }, (_, index) => `127.${network}.${1 + Math.floor(index / 200)}.${1 + (index % 200)}`)

const profile = values['cpu-prof']
await using platform = await startPlatform({
  brokerArgs: profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : [],
})
const [node] = platform.nodes
if (!node) throw new Error('no broker')
const target = { host: '127.0.0.1', port: node.port, servername: 'localhost', ca: platform.ca, groups: 'X25519' }
const publishers = await platform.enrol(numbered('honest', publisherCount))
const guests = await platform.enrol(numbered('guest', 120))
const revoked = await platform.enrol(numbered('revoked', hammers))
const fresh = await platform.enrol(numbered('fresh', 100))

const start = (file: string, ...args: string[]) => {
  const child = fork(join(import.meta.dirname, file), args)
  return { child, [Symbol.dispose]: () => void child.kill() }
}
using honest = start('honest.ts')
using hammer = start('hammer.ts', values.nice)
async function ask<Answer>({ child }: { child: ChildProcess }, order: unknown): Promise<Answer> {
  child.send(order as object)
  return (await once(child, 'message'))[0]
}
const pids = { broker: [node.pid], database: platform.pids.postmaster }
const parties = { ...pids, load: [honest.child.pid ?? 0, hammer.child.pid ?? 0] }

/** Those behind whose address a storm is to come from have their devices there. */
const homes = addressesOf('20', 8)
const honestOrder: HonestOrder = { target, publishers, guests, guestEveryMs, addresses: homes }

interface Storm {
  name: string
  devices: number
  manner: HammerOrder['manner']
  resume?: boolean
  /** Where from; as many addresses as devices if absent. */
  addresses?: string[]
}
const one = { devices: 1 }
const many = { devices: hammers }
const storms: Storm[] = [
  { name: '1 revoked, waits for its answer', ...one, manner: 'patient' },
  { name: '1 revoked, leaves at once', ...one, manner: 'impatient' },
  { name: '1 revoked, leaves at once, resumed', ...one, manner: 'impatient', resume: true },
  { name: '50 revoked, wait for their answers', ...many, manner: 'patient' },
  { name: '50 revoked, wait for their answers, resumed', ...many, manner: 'patient', resume: true },
  { name: '50 revoked, leave at once', ...many, manner: 'impatient' },
  { name: '50 revoked, leave at once, one address', ...many, manner: 'impatient', addresses: ['127.30.9.9'] },
  { name: '50 revoked, leave at once, an honest address', ...many, manner: 'impatient', addresses: homes.slice(0, 1) },
  { name: '8 plain TCP connects at a time, one address', devices: 8, manner: 'tcp', addresses: ['127.30.9.10'] },
]
const wanted = storms.filter(({ name }) => !values.only || values.only.split(',').some((part) => name.includes(part)))

await costs()
await ask(honest, honestOrder)
console.log(
  `\n${publisherCount} devices publish once a second, ${1_000 / guestEveryMs} connects a second; ${rounds} x ${seconds} s each, alone and with the storm in turns\n`,
)
console.log(
  '| storm | attempts/s | handshakes/s | broker, of a core | database | publish p50 / p99 ms, alone -> with | connect p50 / p99 ms, alone -> with |',
)
console.log('|---|---|---|---|---|---|---|')
for (const storm of wanted) await compare(storm)
console.log(`\n${describeMachine()}. CPU is the process's own, user and system.`)

/** Broker CPU of one connection of each kind. */
async function costs(): Promise<void> {
  const print = (what: string, times: number, { brokerMs }: { brokerMs: number }) =>
    console.log(`| ${what} | ${(brokerMs / times).toFixed(2)} ms | ${times} |`)
  console.log('| a connection | broker CPU | measured |\n|---|---|---|')
  {
    await using load = await openLoad({ target, identities: guests, workers: 1, addresses: 8 })
    const churn = { from: 0, to: guests.length, concurrency: 8 }
    await load.churn({ ...churn, rounds: 2 })
    print('admitted', 840, await measureCpu(parties, () => load.churn({ ...churn, rounds: 7 })))
    await load.churn({ ...churn, rounds: 1, resume: true })
    print('admitted, resumed', 840, await measureCpu(parties, () => load.churn({ ...churn, rounds: 7, resume: true })))
  }
  await revoke(fresh)
  await revoke(revoked)
  {
    await using load = await openLoad({ target, identities: fresh, workers: 1, addresses: 100 })
    const churn = { from: 0, to: fresh.length, concurrency: 8, rounds: 2 }
    print('revoked, refused with CONNACK', 200, await measureCpu(parties, () => load.churn(churn)))
  }
  const order = { target, identities: revoked, manner: 'impatient', resume: false, addresses: addressesOf('40', 400) }
  // Each is refused until it is remembered: from addresses that are not put last for it.
  await ask(hammer, { ...order, manner: 'patient', attempts: 3 * hammers })
  const penalised = await measureCpu(parties, () => ask<HammerReport>(hammer, { ...order, attempts: 400 }))
  print('revoked and remembered', penalised.result.handshakes, penalised)
  await ask(hammer, { ...order, resume: true, addresses: addressesOf('41', 400), attempts: 2 * hammers })
  const resumed = await measureCpu(parties, () => ask<HammerReport>(hammer, { ...order, resume: true, attempts: 400 }))
  print(`the same, ${resumed.result.resumed} resumed`, resumed.result.handshakes, resumed)
  const tcp = await measureCpu(parties, () => ask<HammerReport>(hammer, { ...order, manner: 'tcp', attempts: 2_000 }))
  print('plain TCP, closed at once', tcp.result.attempts, tcp)
}

async function revoke(identities: Identity[]): Promise<void> {
  for (const { id } of identities) await platform.api(`/v1/devices/${id}/revoke`, { reason: 'keyCompromise' })
}

interface Window extends Measured<HonestReport> {
  hammered: HammerReport
}

async function watch(): Promise<Measured<HonestReport>> {
  await ask(honest, 'report')
  return measureCpu(parties, async () => {
    await delay(seconds * 1_000)
    return ask<HonestReport>(honest, 'report')
  })
}

async function compare({ name, devices, manner, resume = false, addresses }: Storm): Promise<void> {
  const alone: Window[] = []
  const beside: Window[] = []
  const order: HammerOrder = {
    ...{ target, identities: revoked.slice(0, devices), manner, resume },
    addresses: addresses ?? addressesOf('30', devices),
  }
  for (let round = 0; round < rounds; round++) {
    alone.push({ ...(await watch()), hammered: { attempts: 0, handshakes: 0, resumed: 0 } })
    hammer.child.send(order)
    const seen = await watch()
    beside.push({ ...seen, hammered: await ask<HammerReport>(hammer, 'stop') })
    // Those that were held have gone by then.
    await delay(1_000)
  }
  const rate = (pick: (report: HammerReport) => number) =>
    Math.round(beside.reduce((sum, { hammered }) => sum + pick(hammered), 0) / rounds / seconds)
  const cells = [
    name,
    rate(({ attempts }) => attempts),
    rate(({ handshakes }) => handshakes),
    arrow(share(alone, 'broker'), share(beside, 'broker')),
    arrow(share(alone, 'database'), share(beside, 'database')),
    `${percentiles(alone, 'publish')} -> ${percentiles(beside, 'publish')}`,
    `${percentiles(alone, 'connect')} -> ${percentiles(beside, 'connect')}`,
  ]
  console.log(`| ${cells.join(' | ')} |`)
  const failures = [...alone, ...beside].reduce((sum, { result }) => sum + result.failures, 0)
  if (failures > 0) console.log(`${failures} honest devices were cut off or not let in`)
}

/** In percent of one core. */
function share(windows: Window[], who: 'broker' | 'database'): number {
  const elapsed = windows.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0)
  const used = windows.reduce((sum, window) => sum + window[`${who}Ms`], 0)
  return (used / elapsed) * 100
}

function arrow(from: number, to: number): string {
  return `${from.toFixed(1)} -> ${to.toFixed(1)} % (${to >= from ? '+' : ''}${(to - from).toFixed(1)})`
}

function percentiles(windows: Window[], of: 'publish' | 'connect'): string {
  const all = windows.flatMap(({ result }) => result[of]).sort((a, b) => a - b)
  const at = (part: number) => (all[Math.min(all.length - 1, Math.floor(all.length * part))] ?? Number.NaN).toFixed(1)
  return `${at(0.5)} / ${at(0.99)}`
}
