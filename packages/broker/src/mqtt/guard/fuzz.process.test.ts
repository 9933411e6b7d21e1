import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { duplexPair } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { compilePolicy, MusterError, presetPolicies } from '@muster/contracts'
import { type Packet, parser } from 'mqtt-packet'
import { pino } from 'pino'
import { expect, test, vi } from 'vitest'
import { defaultLimits } from '../../limits.ts'
import { createMetrics } from '../../metrics.ts'
import { createObserver } from '../../observer.ts'
import { Session } from '../../sessions/session.ts'
import { createDice, createPackets, createProgress, type Dice, mutate, split } from '../../testing/mutate.ts'
import { openMqtt } from '../aedes.ts'
import { requireClientId, requireWill } from '../connect-rules.ts'
import { readConnect } from '../read-connect.ts'
import { openSessionStore } from '../session-store.ts'
import { Decoder } from './decoder.ts'
import { Violation } from './violation.ts'

/** Malformed packets in all; `node tests/bench/fuzz.ts` asks for more. */
const wanted = Number(process.env.MUSTER_FUZZ ?? 20_000)
const isLong = wanted > 20_000
const seed = Number(process.env.MUSTER_FUZZ_SEED ?? 4)
const timeout = 60_000 + wanted

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
function heapBytes(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

const victim = 'fleets/f/devices/victim'
const own = (device: string) => `fleets/f/devices/${device}`
const mayPublish = (device: string, topic: string) =>
  ['telemetry', 'events', 'state'].some((kind) => `${topic}/`.startsWith(`${own(device)}/${kind}/`))

/** A CONNECT and what follows it; most of it broken in one way or another. */
function makeStream(dice: Dice, device: string, length: number): { version: 4 | 5; whole: Buffer } {
  const version = dice.pick([4, 5] as const)
  const packets = createPackets(dice, version, own(device), victim)
  const hello = packets.connect(dice.pick([device, device, device, '', 'victim', '__proto__']))
  const parts = [dice.roll(8) === 0 ? mutate(hello, dice, packets.next()) : hello]
  for (let count = 0; count < length; count++) {
    const packet = packets.next()
    parts.push(dice.roll(3) === 0 ? mutate(packet, dice, packets.next()) : packet)
  }
  if (dice.roll(6) === 0) parts.push(parts.splice(dice.roll(parts.length), 1)[0] as Buffer)
  return { version, whole: Buffer.concat(parts) }
}

test('the decoder: nothing but packets and violations comes out, whatever goes in', { timeout }, () => {
  const dice = createDice(seed)
  let violations = 0
  let packets = 0
  const codes = new Map<number, number>()
  const attempt = () => {
    const { whole } = makeStream(dice, 'attacker', 3)
    const decoder = new Decoder(10_000)
    try {
      for (const piece of split(whole, dice)) {
        decoder.push(piece)
        for (let packet = decoder.next(); packet; packet = decoder.next()) packets++
      }
    } catch (error) {
      if (!(error instanceof Violation)) throw error
      violations++
      codes.set(error.reasonCode, (codes.get(error.reasonCode) ?? 0) + 1)
    }
    if (decoder.capacity > 25_000) throw new Error('too much is held')
  }
  while (violations < wanted / 10) attempt()
  const before = heapBytes()
  const progress = createProgress('decoder, malformed packets', isLong ? wanted : 0)
  while (violations < wanted) {
    attempt()
    progress(violations)
  }
  expect(heapBytes() - before).toBeLessThan(8 * 1_048_576)
  expect(packets).toBeGreaterThan(violations / 4)
  // It reaches every kind of violation.
  for (const code of [0x81, 0x82, 0x84, 0x95]) expect([code, codes.get(code) ?? 0]).not.toEqual([code, 0])
  console.log(`decoder: ${violations} malformed, ${packets} good packets between them`)
})

async function openBroker(stored: (device: string, topic: string) => void) {
  const path = await mkdtemp(join(tmpdir(), 'muster-fuzz-'))
  const failures: unknown[] = []
  const now = () => new Date()
  const metrics = createMetrics({ connections: () => 0, certificateEnds: () => undefined } as never)
  const quiet = {
    ...{ refusals: { record() {} }, presence: { connected() {}, disconnected() {} } },
    ...{ log: pino({ level: 'silent' }), now, metrics },
  }
  const observer = { ...createObserver(quiet as never), failed: (error: unknown) => void failures.push(error) }
  const limits = { ...defaultLimits, reportMs: 600_000 }
  const store = await openSessionStore({ path, sync: false, limits, observer, now })
  const mqtt = await openMqtt({
    ...{ node: 'n', limits, store, observer, figures: async () => ({}) as never },
    relay: {
      request: async () => {},
      hurry() {},
      async [Symbol.asyncDispose]() {},
    },
    policyNow: async ({ policy }) => policy,
    ingest: async (session, { topic }) => stored(session.peer.identity.device, topic),
  })
  const close = async () => {
    await mqtt[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
    await rm(path, { recursive: true })
  }
  return { mqtt, store, failures, close }
}

/** As `accept` does it, after a certificate has been believed. */
async function connect(mqtt: { serve(session: Session): void }, device: string, profile: 'device' | 'service') {
  const [near, far] = duplexPair()
  for (const side of [near, far]) side.on('error', () => {})
  const identity = { fleet: 'f', group: 'default', device, profile }
  const issuer = 'CN=issuing-1'
  const dates = { notBefore: new Date(0), notAfter: new Date(1e13) }
  const session = new Session({ identity, serial: device, fingerprint: device, issuer, ...dates }, far, 'memory')
  const admit = async () => {
    try {
      const opening = await readConnect(far as never, { maxBytes: 10_000, timeoutMs: 500 })
      if (!opening) return
      requireClientId(opening.packet, identity)
      session.policy = compilePolicy(presetPolicies[profile], { ...identity, serial: device })
      requireWill(opening.packet, session.policy)
      session.opening = opening
      mqtt.serve(session)
    } catch (error) {
      if (!(error instanceof MusterError)) throw error
      far.destroy()
    }
  }
  return { near, far, session, admitted: admit() }
}

test('the broker behind it: no effect beyond the policy, no leak, no failure', { timeout: timeout * 2 }, async () => {
  const dice = createDice(seed + 1)
  const forbidden: string[] = []
  const { mqtt, store, failures, close } = await openBroker((device, topic) => {
    if (!mayPublish(device, topic)) forbidden.push(`stored: ${device} on ${topic}`)
  })

  async function open(device: string, profile: 'device' | 'service', packets: Packet[]) {
    const { near, admitted } = await connect(mqtt, device, profile)
    const { generate } = await import('mqtt-packet')
    const seen: Packet[] = []
    const reader = parser({ protocolVersion: 5 })
    reader.on('packet', (packet) => seen.push(packet))
    near.on('data', (chunk) => reader.parse(chunk))
    const send = (packet: Packet) => near.write(generate(packet, { protocolVersion: 5 }))
    send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 5, clean: true, keepalive: 0, clientId: device })
    await admitted
    await vi.waitFor(() => expect(seen).toHaveLength(1))
    for (const packet of packets) send(packet)
    return { near, seen, send }
  }
  const subscribe = (topic: string): Packet => ({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 0 }] })
  const witness = await open('witness', 'service', [subscribe('fleets/f/#')])
  const held = await open('victim', 'device', [subscribe(`${victim}/commands/#`)])
  const commander = await open('commander', 'service', [])
  await vi.waitFor(() => expect(held.seen).toHaveLength(2))

  let streams = 0
  const attack = async () => {
    const device = `attacker-${dice.roll(8)}-${streams++ % 64}`
    const { near, far, session, admitted } = await connect(mqtt, device, 'device')
    let answered = ''
    near.on('data', (chunk: Buffer) => {
      answered += chunk.toString('latin1')
    })
    const { whole } = makeStream(dice, device, 1 + dice.roll(8))
    for (const piece of split(whole, dice)) near.write(piece)
    await admitted
    for (let turn = 0; turn < 4 && !far.destroyed; turn++) await new Promise((resolve) => setImmediate(resolve))
    near.destroy()
    far.destroy()
    await session.transport.settled()
    if (answered.includes('TOP-SECRET')) forbidden.push(`delivered: the secret to ${device}`)
    await store.purge(session.clientId)
  }
  const secrets = { sent: 0, received: 0 }
  // Counted and let go, so that what the test holds does not look like a leak.
  const count = () => {
    secrets.received += held.seen.splice(0).filter(({ cmd }) => cmd === 'publish').length
    return secrets.received
  }
  const progress = createProgress('broker, connections', isLong ? wanted / 8 : 0)
  const round = async (connections: number) => {
    for (let done = 0; done < connections; done += 16) {
      const payload = `TOP-SECRET-${++secrets.sent}`
      commander.send({ cmd: 'publish', topic: `${victim}/commands/secret`, payload, qos: 0, dup: false, retain: false })
      await Promise.all(Array.from({ length: 16 }, attack))
      count()
      progress(streams)
      for (const packet of witness.seen.splice(0))
        if (packet.cmd === 'publish' && !packet.payload.toString().startsWith('TOP-SECRET')) {
          const device = packet.topic.split('/')[3] ?? ''
          if (!device.startsWith('attacker-') || !mayPublish(device, packet.topic))
            forbidden.push(`published: ${packet.topic}`)
        }
    }
  }
  const rounds = Math.ceil(wanted / 10)
  await round(Math.ceil(rounds / 4))
  const before = heapBytes()
  await round(rounds)
  expect(heapBytes() - before).toBeLessThan(24 * 1_048_576)
  expect(forbidden).toEqual([])
  expect(failures).toEqual([])
  // Whom it was for has had them all.
  await vi.waitFor(() => expect(count()).toBe(secrets.sent))
  const retained: unknown[] = []
  for await (const packet of store.createRetainedStreamCombi(['#'])) retained.push(packet)
  expect(retained).toEqual([])
  for (let index = 0; index < 64; index++)
    for (let group = 0; group < 8; group++) expect(store.hasSession(`f/attacker-${group}-${index}`)).toBe(false)
  console.log(`broker: ${streams} connections`)
  for (const { near } of [witness, held, commander]) near.destroy()
  await close()
})
