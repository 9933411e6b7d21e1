// node --expose-gc tests/bench/session-store.ts [sessions]: sessions on disk beside aedes' store in memory, and what a start with many costs.
import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { defaultLimits } from '../../packages/broker/src/limits.ts'
import { openSessionStore } from '../../packages/broker/src/mqtt/session-store.ts'

const { positionals } = parseArgs({ allowPositionals: true })
const many = Number(positionals[0] ?? 100_000)
const receivers = 1_000
const messages = 40_000
const publishers = 256
const payload = Buffer.alloc(200, 'x')

interface Packet {
  cmd: string
  brokerId: string
  brokerCounter: number
  topic: string
  payload: Buffer
  qos: 1
  retain: boolean
  dup: boolean
  messageId?: number
}

/** What the broker calls for a message that an absent client gets later. */
interface Queues {
  outgoingEnqueueCombi(subscriptions: { clientId: string }[], packet: Packet): Promise<unknown>
  outgoingUpdate(client: { id: string }, packet: Packet): Promise<unknown>
  outgoingClearMessageId(client: { id: string }, packet: Packet): Promise<unknown>
}

interface Figures {
  enqueue: { rate: number; cpuUs: number }
  dequeue: { rate: number; cpuUs: number }
}

/** Messages through queues: in and acknowledged to the publisher; then sent, and acknowledged by the receiver. */
async function measure(queues: Queues): Promise<Figures> {
  const packets = Array.from({ length: messages }, (_, index): Packet => {
    const name = { cmd: 'publish', brokerId: 'b', brokerCounter: index + 1, topic: `t/${index % receivers}`, payload }
    return { ...name, qos: 1, retain: false, dup: false }
  })
  const clientOf = (packet: Packet) => `f/${packet.brokerCounter % receivers}`
  const each = async (work: (packet: Packet) => Promise<unknown>) => {
    const startedAt = performance.now()
    const cpu = process.cpuUsage()
    const left = packets.values()
    await Promise.all(
      Array.from({ length: publishers }, async () => {
        for (const packet of left) await work(packet)
      }),
    )
    const { user, system } = process.cpuUsage(cpu)
    return { rate: (messages * 1_000) / (performance.now() - startedAt), cpuUs: (user + system) / messages }
  }
  const enqueue = await each((packet) => queues.outgoingEnqueueCombi([{ clientId: clientOf(packet) }], packet))
  const dequeue = await each(async (packet) => {
    const client = { id: clientOf(packet) }
    const sent = { ...packet, messageId: Math.ceil(packet.brokerCounter / receivers) }
    await queues.outgoingUpdate(client, sent)
    await queues.outgoingClearMessageId(client, sent)
  })
  return { enqueue, dequeue }
}

async function open(path: string, sync: boolean) {
  const observer = { dropped() {}, failed: (error: unknown) => console.error(error), sessionsWritten() {} }
  const store = await openSessionStore({ path, sync, limits: defaultLimits, observer, now: () => new Date() })
  await store.setup({ id: 'b', counter: 0, clearDelayedWill() {} })
  return store
}

async function onDisk(sync: boolean) {
  const path = await mkdtemp(join(tmpdir(), 'muster-bench-'))
  try {
    await using store = await open(path, sync)
    for (let index = 0; index < receivers; index++) await store.openSession(`f/${index}`, false)
    return await measure(store)
  } finally {
    await rm(path, { recursive: true })
  }
}

async function inMemory() {
  const broker = createRequire(new URL('../../packages/broker/package.json', import.meta.url))
  const Memory = createRequire(broker.resolve('aedes'))('aedes-persistence/asyncPersistence.js')
  const store = new Memory()
  await store.setup({ id: 'b' })
  return measure(store)
}

const policy = { refuseSubscribe() {}, limits: { subscriptions: 20 } }
const heldBytes = () => {
  for (let index = 0; index < 3; index++) globalThis.gc?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** `many` sessions asleep, each with a subscription and so many messages. */
async function start(queued: number) {
  const path = await mkdtemp(join(tmpdir(), 'muster-bench-'))
  try {
    const filled = await open(path, false)
    for (let from = 0; from < many; from += 1_000) {
      const some = Array.from({ length: Math.min(1_000, many - from) }, (_, index) => from + index)
      await Promise.all(
        some.map(async (index) => {
          const client = { id: `default/device-${index}`, req: { policy, filters: new Set(), renewalTopics: {} } }
          const topic = `fleets/default/devices/device-${index}/commands/#`
          await filled.openSession(client.id, false)
          await filled.addSubscriptions(client as never, [{ topic, qos: 1 }])
          for (let number = 1; number <= queued; number++) {
            const name = { cmd: 'publish', brokerId: 'b', brokerCounter: queued * index + number, topic, payload }
            await filled.outgoingEnqueue({ clientId: client.id }, { ...name, qos: 1, retain: false, dup: false })
          }
        }),
      )
    }
    await filled[Symbol.asyncDispose]()
    const before = heldBytes()
    const startedAt = performance.now()
    await using store = await open(path, false)
    const ms = performance.now() - startedAt
    return { ms, bytes: (heldBytes() - before) / store.counts.sessions }
  } finally {
    await rm(path, { recursive: true })
  }
}

type Figure = Figures['enqueue']
function row(what: string, { enqueue, dequeue }: Figures, beside: Figures) {
  const say = ({ rate, cpuUs }: Figure, other: Figure) =>
    `${Math.round(rate)}/s (${(rate / other.rate).toFixed(2)} of memory), CPU ${cpuUs.toFixed(1)} us (${(cpuUs / other.cpuUs).toFixed(1)} times)`
  console.log(`${what}: queued ${say(enqueue, beside.enqueue)}; sent and acknowledged ${say(dequeue, beside.dequeue)}`)
}

await inMemory()
const memory = await inMemory()
row('memory, aedes-persistence', memory, memory)
row('disk, sync off', await onDisk(false), memory)
row('disk, sync on', await onDisk(true), memory)
for (const queued of [0, 2]) {
  const { ms, bytes } = await start(queued)
  console.log(
    `start with ${many} sessions, a subscription and ${queued} messages each: ${Math.round(ms)} ms, ${Math.round(bytes)} bytes of memory a session`,
  )
}
