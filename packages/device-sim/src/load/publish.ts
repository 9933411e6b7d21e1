import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import type { Connection } from '../client/connection.ts'
import { createPublishTemplate, type PublishTemplate } from '../client/encode.ts'
import type { Percentiles } from '../measure/latency.ts'
import type { PacedSettings, PublishOutcome, PublishSettings } from './commands.ts'
import type { Generator } from './generator.ts'

/** Keeps the window of each connection full for a time, then waits for what is still on its way. */
export async function publishAtFullSpeed(generator: Generator, settings: PublishSettings): Promise<PublishOutcome> {
  const { window, forMs, batch = Math.max(1, window >> 1) } = settings
  const connections = generator.connectionsOf(settings)
  const templates = new Map(connections.map((connection) => [connection, createTemplate(connection, settings)]))
  const latency = createHistogram()
  let sent = 0
  let acknowledged = 0
  let refused = 0
  let stopped = false
  const publish = (connection: Connection, count: number) => {
    const template = templates.get(connection)
    if (!template || stopped) return
    connection.publish(template, count)
    sent += count
    generator.sent += count
  }

  const begun = performance.now()
  generator.onAcknowledged = (connection, reasonCode, ms) => {
    latency.record(Math.max(1, Math.round(ms * 1_000)))
    acknowledged++
    if (reasonCode >= 0x80) refused++
    const free = window - connection.inFlight
    if (free >= batch) publish(connection, free)
  }
  for (const connection of connections) publish(connection, window)
  if (settings.qos === 0) {
    while (performance.now() - begun < forMs) {
      await new Promise((resolve) => setImmediate(resolve))
      for (const connection of connections) if (connection.socket.writableLength < 65_536) publish(connection, window)
    }
  } else await new Promise((resolve) => setTimeout(resolve, forMs))
  const elapsedMs = performance.now() - begun
  // What is acknowledged after the time does not count, but nothing may be on its way when the next run begins.
  const outcome = { sent, acknowledged, refused, elapsedMs, latency: percentilesOf(latency) }
  stopped = true
  const unanswered = await waitUntilQuiet(connections)
  generator.onAcknowledged = undefined
  return { ...outcome, unanswered }
}

/** Answers how many messages stay unacknowledged. */
async function waitUntilQuiet(connections: Connection[]): Promise<number> {
  const end = performance.now() + 10_000
  while (performance.now() < end && connections.some(({ inFlight, socket }) => inFlight > 0 && !socket.destroyed))
    await new Promise((resolve) => setTimeout(resolve, 10))
  return connections.reduce((sum, { inFlight }) => sum + inFlight, 0)
}

/** The histogram counts microseconds. */
function percentilesOf(histogram: RecordableHistogram): Percentiles {
  const at = (percentile: number) => (histogram.count === 0 ? 0 : histogram.percentile(percentile) / 1_000)
  return { count: histogram.count, p50: at(50), p90: at(90), p99: at(99), max: at(100) }
}

/** Each connection publishes once in `everyMs`; the returned function ends it. */
export function publishPaced(generator: Generator, settings: PacedSettings): () => void {
  const { everyMs } = settings
  const connections = generator.connectionsOf(settings)
  const templates = connections.map((connection) => createTemplate(connection, settings))
  const begun = performance.now()
  let done = 0
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - begun) / everyMs) * connections.length)
    for (; done < due; done++) {
      const connection = connections[done % connections.length]
      const template = templates[done % connections.length]
      if (!connection || !template || connection.socket.destroyed) continue
      connection.publish(template, 1)
      generator.sent++
    }
  }, 5)
  return () => clearInterval(timer)
}

function createTemplate(
  { clientId, version }: Connection,
  { topic, payloadBytes, qos }: Pick<PublishSettings, 'topic' | 'payloadBytes' | 'qos'>,
): PublishTemplate {
  return createPublishTemplate({
    topic: nameTopic(topic, clientId),
    payload: Buffer.alloc(payloadBytes, 'x'),
    qos,
    version,
  })
}

/** `{id}` and `{n}` filled in. */
export function nameTopic(template: string, clientId: string): string {
  return template.replaceAll('{id}', clientId).replaceAll('{n}', /\d+$/.exec(clientId)?.[0] ?? '')
}
