import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { defaultLimits } from '../../limits.ts'
import { openSessionStore } from '../session-store.ts'

const sessions = 1_000
/** Tells on its standard output what it has been promised, without a buffer in between. */
const writer = `
  import { writeSync } from 'node:fs'
  import { openSessionStore } from ${JSON.stringify(join(import.meta.dirname, '../session-store.ts'))}
  import { defaultLimits } from ${JSON.stringify(join(import.meta.dirname, '../../limits.ts'))}
  const [path, round] = process.argv.slice(-2)
  const tell = (text) => writeSync(1, text + '\\n')
  const observer = { dropped: () => tell('dropped'), failed: (error) => tell('failed ' + error), sessionsWritten() {} }
  const store = await openSessionStore({ path, sync: false, limits: defaultLimits, observer, now: () => new Date() })
  const broker = { id: 'b', counter: 0, clearDelayedWill() {} }
  await store.setup(broker)
  const filters = []
  const policy = { refuseSubscribe() {}, limits: { subscriptions: 1e6 } }
  const allowing = { policy, filters: new Set(), renewalTopics: {} }
  for (let s = 0; s < ${sessions}; s++) filters.push(store.openSession('f/' + s, false).then((there) => there ||
    store.addSubscriptions({ id: 'f/' + s, req: allowing }, [{ topic: 's/' + s, qos: 2 }])))
  await Promise.all(filters)
  tell('ready')
  let sequence = 0
  async function publish(s, qos) {
    const text = round + ':' + ++sequence
    const name = { cmd: 'publish', brokerId: 'b', brokerCounter: ++broker.counter, topic: 's/' + s, payload: text }
    const packet = { ...name, qos, retain: sequence % 7 === 0, dup: false, messageId: sequence % 65_535 + 1 }
    if (qos === 2) store.receiving({ id: 'f/' + s }, packet)
    if (packet.retain) await store.storeRetained(packet)
    await store.outgoingEnqueueCombi(await store.subscriptionsByTopic(packet.topic), packet)
    tell('stored ' + s + ' ' + text + ' ' + qos + ' ' + packet.messageId + ' ' + packet.retain)
  }
  async function consume(s) {
    const [first] = store.queued('f/' + s, 0, 1)
    if (!first) return
    tell('consumed ' + s + ' ' + first.payload)
    await store.outgoingClearMessageId({ id: 'f/' + s }, { brokerCounter: first.brokerCounter })
  }
  for (;;) {
    await Promise.all(Array.from({ length: 100 }, (_, index) => publish((sequence * 7 + index) % ${sessions}, 1 + index % 2)))
    for (let index = 0; index < 20; index++) await consume(Math.floor(Math.random() * ${sessions}))
  }
`

interface Told {
  stored: Map<string, string[]>
  consumed: Set<string>
  received: Set<string>
  retained: Map<string, string>
}

async function runUntilKilled(path: string, round: number, afterMs: number): Promise<string[]> {
  const args = ['--input-type=module', '-e', writer, '--', path, String(round)]
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  let isKilling = false
  child.stdout?.on('data', (chunk) => {
    output += chunk
    if (isKilling || !output.startsWith('ready')) return
    isKilling = true
    setTimeout(() => child.kill('SIGKILL'), afterMs)
  })
  await once(child, 'close')
  expect(child.signalCode).toBe('SIGKILL')
  return output.split('\n').slice(1, -1)
}

function note(told: Told, line: string) {
  const [what, session = '', text = '', qos, packetId, isRetained] = line.split(' ')
  expect(['stored', 'consumed']).toContain(what)
  if (what === 'consumed') return void told.consumed.add(text)
  told.stored.set(session, [...(told.stored.get(session) ?? []), text])
  if (qos === '2') told.received.add(`${session} ${packetId}`)
  if (isRetained === 'true') told.retained.set(`s/${session}`, text)
}

const numberOf = (text: string) => text.split(':').reduce((sum, part) => sum * 1e9 + Number(part), 0)

test('a process killed at any moment: what it promised is there, once and in order', { timeout: 180_000 }, async () => {
  const path = await mkdtemp(join(tmpdir(), 'muster-crash-'))
  const told: Told = { stored: new Map(), consumed: new Set(), received: new Set(), retained: new Map() }
  for (let round = 1; round <= 6; round++)
    for (const line of await runUntilKilled(path, round, 30 + Math.random() * 400)) note(told, line)

  const observer = { dropped() {}, failed: (error: unknown) => expect(error).toBeUndefined(), sessionsWritten() {} }
  const store = await openSessionStore({ path, sync: false, limits: defaultLimits, observer, now: () => new Date() })
  let found = 0
  for (let session = 0; session < sessions; session++) {
    const texts = store.queued(`f/${session}`, 0, 10_000).map(({ payload }) => payload.toString())
    found += texts.length
    expect(texts).toEqual([...new Set(texts)].sort((a, b) => numberOf(a) - numberOf(b)))
    const there = new Set(texts)
    const missing = (told.stored.get(String(session)) ?? []).filter(
      (text) => !there.has(text) && !told.consumed.has(text),
    )
    expect(missing).toEqual([])
  }
  expect(found).toBeGreaterThan(1_000)
  for (const one of told.received) {
    const [session, packetId] = one.split(' ')
    expect(store.isReceived(`f/${session}`, Number(packetId))).toBe(true)
  }
  const retained = new Map<string, string>()
  for await (const { topic, payload } of store.createRetainedStreamCombi(['#'])) retained.set(topic, payload.toString())
  // One that came after it may have been on disk without anybody having been told.
  for (const [topic, text] of told.retained)
    expect(numberOf(retained.get(topic) ?? '0:0')).toBeGreaterThanOrEqual(numberOf(text))
  await store[Symbol.asyncDispose]()
  await rm(path, { recursive: true })
})
