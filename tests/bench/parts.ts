import { setTimeout as delay } from 'node:timers/promises'
import type { Load } from '@muster/device-sim/load'
import { type Contender, connectAll, openLoadOn, partiesOf, topics } from './contender.ts'
import { type Measured, measureCpu, readMemory, type Split } from './cpu.ts'

/** How much of everything; one number for each part. */
export interface Size {
  connects: number
  publishers: number
  pairs: number
  fanout: number
  idle: number
  seconds: number
  /** Until memory has come to rest. */
  settleMs: number
}

export interface Figure {
  what: string
  unit: 'ms' | 'us' | 'KiB'
  value: number
  /** What the figure stands on: how many of what, at which rate. */
  note: string
  split?: Split
  /** Acknowledged, those before the measurement included. */
  messages?: number
}

export type PartName = 'memory' | 'connect' | 'publish' | 'single' | 'stored' | 'qos0' | 'qos1' | 'single0' | 'fanout'

/** In this order: memory that an earlier part has made a broker take would hide what connections need. */
export const parts: Record<PartName, (contender: Contender, size: Size) => Promise<Figure[]>> = {
  memory: measureMemory,
  connect: measureConnects,
  publish: (contender, size) => measurePublish(contender, size, { ...unheard, window: 20 }),
  single: (contender, size) => measurePublish(contender, size, { ...unheard, window: 1 }),
  stored: async (contender, size) => {
    if (!contender.countStored) return []
    const before = await contender.countStored()
    const telemetry = { by: 'devices', topic: topics.telemetry, window: 20 } as const
    const figures = await measurePublish(contender, size, {
      what: 'QoS 1 telemetry, stored before PUBACK',
      ...telemetry,
    })
    const stored = (await contender.countStored()) - before
    const acknowledged = figures.reduce((all, { messages = 0 }) => all + messages, 0)
    if (stored !== acknowledged) throw new Error(`${acknowledged} messages were acknowledged, ${stored} are stored`)
    return figures
  },
  qos0: (contender, size) => measureEndToEnd(contender, size, { qos: 0, window: 20 }),
  qos1: (contender, size) => measureEndToEnd(contender, size, { qos: 1, window: 20 }),
  single0: (contender, size) => measureEndToEnd(contender, size, { qos: 0, window: 1 }),
  fanout: measureFanout,
}

const unheard = { what: 'QoS 1 publish, not stored, no subscriber', by: 'services', topic: topics.command } as const

/** Many at once share records and system calls; most devices send one, and wait. */
const inFlight = (window: number) => (window === 1 ? ', one in flight' : '')

const perSecond = (count: number, { elapsedMs }: { elapsedMs: number }) =>
  `${Math.round(count / (elapsedMs / 1_000)).toLocaleString('en')}/s`

async function measureConnects(contender: Contender, { connects }: Size): Promise<Figure[]> {
  const count = Math.min(200, contender.devices.length, connects)
  const rounds = Math.max(1, Math.round(connects / count))
  await using load = await openLoadOn(contender, contender.devices.slice(0, count))
  const churn = { from: 0, to: count, concurrency: 16 }
  await load.churn({ ...churn, rounds: 1 })
  const figures: Figure[] = []
  for (const resume of [false, true]) {
    // The tickets to begin with.
    if (resume) await load.churn({ ...churn, rounds: 1, resume })
    const measured = await measureCpu(partiesOf(contender, load), () => load.churn({ ...churn, rounds, resume }))
    const { connected, resumed, failures } = measured.result
    if (connected !== count * rounds) throw new Error(`connects failed: ${JSON.stringify(failures)}`)
    if (resumed !== (resume ? connected : 0)) throw new Error(`${resumed} of ${connected} connects were resumed`)
    figures.push({
      what: resume ? 'resumed mutual-TLS connect + CONNACK' : 'full mutual-TLS connect + CONNACK',
      unit: 'ms',
      value: measured.brokerMs / connected,
      note: `${connected} at ${perSecond(connected, measured)}`,
      split: measured.split,
    })
  }
  return figures
}

interface Publishing {
  what: string
  by: 'services' | 'devices'
  topic: string
  window: number
}

async function measurePublish(
  contender: Contender,
  size: Size,
  { what, by, topic, window }: Publishing,
): Promise<Figure[]> {
  await using load = await openLoadOn(contender, contender[by].slice(0, size.publishers))
  await connectAll(load, size.publishers)
  const publish = { from: 0, to: size.publishers, topic, qos: 1, payloadBytes: 100, window } as const
  await load.publish({ ...publish, forMs: size.seconds * 300 })
  const measured = await measureWhole(contender, [load], () =>
    load.publish({ ...publish, forMs: size.seconds * 1_000 }),
  )
  const { sent, refused, unanswered, latency } = measured.result
  if (refused + unanswered > 0) throw new Error(`of ${sent} messages ${refused} were refused, ${unanswered} unanswered`)
  const note = `${perSecond(sent, measured)}, p99 ${latency.p99.toFixed(1)} ms`
  const { acknowledged: messages } = await load.counts()
  const value = (measured.brokerMs * 1_000) / sent
  return [{ what: what + inFlight(window), unit: 'us', value, note, split: measured.split, messages }]
}

async function measureEndToEnd(
  contender: Contender,
  size: Size,
  { qos, window }: { qos: 0 | 1; window: number },
): Promise<Figure[]> {
  const { pairs, seconds } = size
  await using publishers = await openLoadOn(contender, contender.services.slice(0, pairs))
  await using subscribers = await openLoadOn(contender, contender.devices.slice(0, pairs))
  await Promise.all([connectAll(publishers, pairs), connectAll(subscribers, pairs)])
  await subscribeAll(subscribers, pairs, topics.commandTo, qos)
  const publish = { from: 0, to: pairs, topic: topics.command, qos: 1, payloadBytes: 100, window } as const
  await deliver(publishers, subscribers, { ...publish, forMs: seconds * 300 }, 1)
  const measured = await measureWhole(contender, [publishers, subscribers], () =>
    deliver(publishers, subscribers, { ...publish, forMs: seconds * 1_000 }, 1),
  )
  const { received, sent } = measured.result
  if (received !== sent) throw new Error(`${received} of ${sent} messages arrived`)
  const value = (measured.brokerMs * 1_000) / received
  return [
    {
      what: `QoS 1 publish to one QoS ${qos} subscriber${inFlight(window)}`,
      unit: 'us',
      value,
      note: perSecond(received, measured),
      split: measured.split,
    },
  ]
}

async function measureFanout(contender: Contender, { fanout, seconds }: Size): Promise<Figure[]> {
  await using publisher = await openLoadOn(contender, contender.services.slice(0, 1))
  await using subscribers = await openLoadOn(contender, contender.devices.slice(0, fanout))
  await Promise.all([connectAll(publisher, 1), connectAll(subscribers, fanout)])
  await subscribeAll(subscribers, fanout, topics.broadcast, 0)
  const publish = { from: 0, to: 1, topic: topics.broadcast, qos: 1, payloadBytes: 100, window: 4, batch: 1 } as const
  await deliver(publisher, subscribers, { ...publish, forMs: 500 }, fanout)
  const measured = await measureWhole(contender, [publisher, subscribers], () =>
    deliver(publisher, subscribers, { ...publish, forMs: seconds * 1_000 }, fanout),
  )
  const { received, sent } = measured.result
  if (received !== sent * fanout) throw new Error(`${received} of ${sent * fanout} messages arrived`)
  const value = (measured.brokerMs * 1_000) / received
  const what = `fan-out 1:${fanout.toLocaleString('en')}, each delivery (QoS 0)`
  return [{ what, unit: 'us', value, note: perSecond(received, measured), split: measured.split }]
}

async function measureMemory(contender: Contender, { idle, settleMs }: Size): Promise<Figure[]> {
  await using load = await openLoadOn(contender, contender.devices.slice(0, idle), 2)
  // What a broker allocates once, and its heap's first growth, are nobody's connection.
  const warm = Math.min(200, idle)
  await connectAll(load, warm)
  await load.close({ from: 0, to: warm })
  await delay(settleMs)
  const before = readMemory(contender.pid)
  await connectAll(load, idle)
  await delay(settleMs)
  const after = readMemory(contender.pid)
  const value = (after.rss - before.rss) / idle
  const note = `${idle.toLocaleString('en')} connections; PSS ${((after.pss - before.pss) / idle).toFixed(1)} KiB`
  return [{ what: 'memory per idle connection (RSS)', unit: 'KiB', value, note }]
}

/** Counted to the end: also what the broker does with messages when their time is over. */
async function measureWhole<T>(contender: Contender, loads: Load[], work: () => Promise<T>): Promise<Measured<T>> {
  return measureCpu(partiesOf(contender, ...loads), work)
}

async function subscribeAll(load: Load, count: number, filter: string, qos: 0 | 1): Promise<void> {
  const { granted } = await load.subscribe({ from: 0, to: count, filter, qos })
  if (granted !== count) throw new Error(`${granted} of ${count} subscriptions were granted`)
}

/** Publishes and waits until all of it has arrived, or nothing comes any more. */
async function deliver(from: Load, to: Load, settings: Parameters<Load['publish']>[0], copies: number) {
  const before = await countReceived(to)
  const { sent } = await from.publish(settings)
  let received = 0
  for (let quiet = 0; quiet < 200 && received < sent * copies; ) {
    const now = (await countReceived(to)) - before
    quiet = now === received ? quiet + 1 : 0
    received = now
    if (received < sent * copies) await delay(50)
  }
  return { sent, received }
}

async function countReceived(load: Load): Promise<number> {
  const { received } = await load.counts()
  return received[0] + received[1]
}
