/**
 * What an enrolment costs the server and how many it does a second: by plain HTTPS with a new connection each, and by the SDK, which fetches
 * the root first. Beside them, in turns, the floor: the same handshake, one signature verified and one made, and nothing around it.
 * `node tests/bench/enrolment.ts [--devices 1500] [--at-once 16] [--claim shared|each] [--cpu-prof folder]`
 * Loopback only, ends by itself; prints a Markdown table. docs/benchmarks.md says what is measured.
 */
import { createSecureContext, connect as tlsConnect } from 'node:tls'
import { parseArgs } from 'node:util'
import { enrol, memoryStore } from '@muster/device'
import { createCsr, generateKey } from '@muster/pki'
import { startPlatform } from '../harness/platform.ts'
import { describeMachine, type Measured, measureCpu } from './cpu.ts'
import { startFloor } from './enrolment-floor.ts'

const { values } = parseArgs({
  options: {
    devices: { type: 'string', default: '1500' },
    'at-once': { type: 'string', default: '16' },
    claim: { type: 'string', default: 'shared' },
    'cpu-prof': { type: 'string' },
  },
})
const rounds = 3
const count = Math.ceil(Number(values.devices) / rounds)
const atOnce = Number(values['at-once'])
const profile = values['cpu-prof']

interface Server {
  port: number
  ca: string
  pid: number
  database?: number
}

await using platform = await startPlatform({
  provisionerArgs: profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}`] : [],
})
await using floor = await startFloor()
const { apiPort: port, ca, pids } = platform
const provisioner: Server = { port, ca, pid: pids.provisioner, database: pids.postmaster }

/** What a device has before it asks: made beforehand, for it is not the server's work. */
interface Blank {
  device: string
  key: Awaited<ReturnType<typeof generateKey>>
  claim: string
}

let made = 0
async function makeBlanks(many: number): Promise<Blank[]> {
  const ask = (request: object): Promise<{ claim: string }> => platform.api('/v1/claims', request)
  const shared = values.claim === 'shared' ? (await ask({ uses: many })).claim : undefined
  const blanks: Blank[] = []
  for (let left = many; left > 0; left -= 1) {
    made += 1
    const device = `bench-${made}`
    blanks.push({ device, key: await generateKey(), claim: shared ?? (await ask({ device })).claim })
  }
  return blanks
}

function askPlainly({ port, ca }: Server): (blank: Blank) => Promise<void> {
  const secureContext = createSecureContext({ ca })
  return ({ device, key, claim }) => {
    const body = JSON.stringify({ claim, csr: createCsr(key).toString('base64'), device })
    const head = `POST /v1/enrol HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`
    return new Promise((resolve, reject) => {
      const socket = tlsConnect({ host: '127.0.0.1', port, servername: 'localhost', secureContext })
      let text = ''
      socket.setEncoding('latin1').on('data', (piece: string) => {
        text += piece
      })
      socket.on('end', () =>
        text.startsWith('HTTP/1.1 201') ? resolve() : reject(new Error(text.slice(0, 500) || 'no answer')),
      )
      socket.on('error', reject)
      socket.write(head + body)
    })
  }
}

async function askBySdk({ device, key, claim }: Blank): Promise<void> {
  const store = memoryStore()
  await store.addKey(key)
  await enrol({ url: `https://localhost:${port}`, claim, device, store, onRetry: ({ error }) => reject(error) })
}

function reject(error: Error): never {
  throw error
}

interface Work {
  what: string
  server: Server
  ask(blank: Blank): Promise<void>
}

const works: Work[] = [
  { what: 'floor: handshake, verify, sign, answer', server: floor, ask: askPlainly(floor) },
  { what: 'enrolment, plain HTTPS', server: provisioner, ask: askPlainly(provisioner) },
  { what: 'first boot by the SDK: root, then enrolment', server: provisioner, ask: askBySdk },
]
const measured = new Map<Work, Measured<void>[]>(works.map((work) => [work, []]))

async function enrolAll(blanks: Blank[], ask: Work['ask']): Promise<void> {
  const left = blanks.values()
  const work = async () => {
    for (const blank of left) await ask(blank)
  }
  await Promise.all(Array.from({ length: atOnce }, work))
}

// What is compiled while it runs has been compiled when it counts.
for (const { ask } of works) await enrolAll(await makeBlanks(Math.min(200, count)), ask)
// In turns, so that whoever else is at work on this machine disturbs all alike.
for (let round = 0; round < rounds; round += 1)
  for (const [work, all] of measured) {
    const blanks = await makeBlanks(count)
    const { pid, database } = work.server
    all.push(await measureCpu({ broker: [pid], database, load: [] }, () => enrolAll(blanks, work.ask)))
  }

const total = (all: readonly Measured<void>[], of: (one: Measured<void>) => number) =>
  all.reduce((sum, one) => sum + of(one), 0)
const perDevice = (ms: number) => `${(ms / (rounds * count)).toFixed(2)} ms`
console.log(`| ${rounds * count} devices, ${atOnce} at once, claim: ${values.claim} | server | PostgreSQL | a second |`)
console.log('|---|---|---|---|')
for (const [{ what }, all] of measured) {
  const server = perDevice(total(all, ({ brokerMs }) => brokerMs))
  const database = perDevice(total(all, ({ databaseMs }) => databaseMs))
  const rate = Math.round((rounds * count * 1_000) / total(all, ({ elapsedMs }) => elapsedMs))
  console.log(`| ${what} | ${server} | ${database} | ${rate} |`)
}
console.log(`\n${describeMachine()}. CPU of the process, user and system; the load is on the same cores.`)
