/**
 * The broker and Mosquitto under the same load, one after the other in one run: what each costs the machine.
 * `node tests/bench/beside-mosquitto.ts [--size tiny|small|full] [--connections 10000] [--chain] [--only connect,memory,…] [--broker muster|mosquitto] [--cpu-prof folder]`
 * Loopback only; prints a Markdown table. docs/benchmarks.md says what is measured.
 */
import { parseArgs } from 'node:util'
import { Policy, presetPolicies } from '@muster/contracts'
import type { Identity } from '@muster/device-sim/load'
import { type Platform, startPlatform } from '../harness/platform.ts'
import { startBareTls } from './bare-tls.ts'
import type { Contender } from './contender.ts'
import { describeMachine, formatSplit } from './cpu.ts'
import { startMosquitto } from './mosquitto.ts'
import { type Figure, type PartName, parts, type Size } from './parts.ts'

const sizes: Record<string, Size> = {
  tiny: { connects: 20, publishers: 4, pairs: 4, fanout: 10, idle: 20, seconds: 0.3, settleMs: 100 },
  small: { connects: 1_000, publishers: 50, pairs: 50, fanout: 1_000, idle: 1_000, seconds: 2, settleMs: 3_000 },
  full: { connects: 4_000, publishers: 50, pairs: 50, fanout: 1_000, idle: 10_000, seconds: 8, settleMs: 10_000 },
}
/** What a server that only speaks TLS can take part in. */
const bareParts: PartName[] = ['memory', 'connect']
/** ARCHITECTURE, section 8; a figure that Mosquitto sets has none of its own. */
const budgets: Partial<Record<Figure['unit'], number>> = { KiB: 40 }

const { values } = parseArgs({
  options: {
    size: { type: 'string', default: 'full' },
    only: { type: 'string' },
    broker: { type: 'string' },
    /** Idle ones, of the part `memory`. */
    connections: { type: 'string' },
    /** Clients send the CA's certificate that theirs is signed by as well. */
    chain: { type: 'boolean', default: false },
    'cpu-prof': { type: 'string' },
  },
})
const sized = sizes[values.size]
if (!sized) throw new Error(`--size is one of ${Object.keys(sizes).join(', ')}`)
const size = { ...sized, idle: Number(values.connections ?? sized.idle) }
const wanted = (values.only?.split(',') ?? Object.keys(parts)) as PartName[]
for (const name of wanted) if (!parts[name]) throw new Error(`--only knows ${Object.keys(parts).join(', ')}`)

const profile = values['cpu-prof']
await using platform = await startPlatform({
  brokerArgs: profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : [],
})
const people = await enrolPeople(platform, size)
const [server] = await platform.enrol(['mosquitto'], { fleet: 'muster', group: 'brokers', profile: 'server' })
if (!server) throw new Error('no certificate for Mosquitto')
// All of them know the issuing CA: it comes with each certificate.
const authorities = [platform.ca, ...pemsOf(server.cert).slice(1)]
const mosquitto = await startMosquitto({ ca: authorities.join(''), ...server })
await using _ends = mosquitto
const bare = await startBareTls({ ca: authorities, ...server })
await using _endsToo = bare
const [node] = platform.nodes
if (!node) throw new Error('no broker')

const countStored = async () => Number((await platform.query('select count(*) from telemetry')).rows[0]?.count)
const contenders = (
  [
    { name: 'Mosquitto', port: mosquitto.port, pid: mosquitto.pid, ca: platform.ca, ...people },
    { name: 'bare TLS', port: bare.port, pid: bare.pid, ca: platform.ca, ...people },
    {
      name: 'Muster',
      port: node.port,
      pid: node.pid,
      ca: platform.ca,
      database: platform.pids.postmaster,
      countStored,
      ...people,
    },
  ] satisfies Contender[]
).filter(({ name }) => values.broker === undefined || name.toLowerCase() === values.broker)

const rows = new Map<string, { unit: Figure['unit']; figures: Partial<Record<Contender['name'], Figure>> }>()
for (const name of wanted)
  for (const contender of contenders) {
    if (contender.name === 'bare TLS' && !bareParts.includes(name)) continue
    process.stderr.write(`${name}, ${contender.name}\n`)
    for (const figure of await parts[name](contender, size)) {
      const row = rows.get(figure.what) ?? { unit: figure.unit, figures: {} }
      row.figures[contender.name] = figure
      rows.set(figure.what, row)
    }
  }
print()

async function enrolPeople(on: Platform, { connects, publishers, pairs, fanout, idle }: Size) {
  const devicesWanted = Math.max(
    ...(wanted.includes('memory') ? [idle] : []),
    ...(wanted.includes('fanout') ? [fanout] : []),
    ...[publishers, pairs, Math.min(200, connects)],
  )
  // The presets' permissions, without their rates: the broker is to be measured, not its limits.
  const limits = { messagesPerSecond: 100_000, bytesPerSecond: '256MiB', subscriptions: 20 }
  const enrol = async (profile: 'device' | 'service', count: number): Promise<Identity[]> => {
    const policy = Policy.parse({ ...presetPolicies[profile], name: `bench-${profile}`, limits })
    await on.createPolicy(policy)
    const ids = Array.from({ length: count }, (_, index) => `${profile}-${index}`)
    const people = await on.enrol(ids, { profile, policy: policy.name })
    // As the SDK does it: the broker knows its CAs.
    return values.chain ? people : people.map((one) => ({ ...one, cert: pemsOf(one.cert)[0] ?? '' }))
  }
  return {
    devices: await enrol('device', devicesWanted),
    services: await enrol('service', Math.max(publishers, pairs)),
  }
}

function pemsOf(pem: string): string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? []
}

function print() {
  console.log('| work | Muster | Mosquitto | ratio | bare TLS | budget | Muster: load and machine |')
  console.log('|---|---|---|---|---|---|---|')
  for (const [what, { unit, figures }] of rows) {
    const { Muster: ours, Mosquitto: theirs, 'bare TLS': floor } = figures
    const show = (figure?: Figure) => (figure ? `${figure.value.toFixed(unit === 'ms' ? 2 : 1)} ${unit}` : '')
    const ratio = ours && theirs ? (ours.value / theirs.value).toFixed(2) : ''
    const budget = budgets[unit] ? `<= ${budgets[unit]} ${unit}` : theirs ? "<= Mosquitto's" : ''
    const split = ours?.split ? `; ${formatSplit(ours.split)}` : ''
    const cells = [what, show(ours), show(theirs), ratio, show(floor), budget, (ours?.note ?? '') + split]
    console.log(`| ${cells.join(' | ')} |`)
  }
  for (const [what, { figures }] of rows)
    if (figures.Mosquitto?.split)
      console.log(`\nMosquitto, ${what}: ${figures.Mosquitto.note}; ${formatSplit(figures.Mosquitto.split)}`)
  console.log(`\n${describeMachine()}. CPU is the broker process's own, user and system.`)
}
