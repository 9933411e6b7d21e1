import type { Counter } from 'prom-client'
import pkg from '../package.json' with { type: 'json' }
import type { Metrics } from './metrics.ts'

/** What this node tells services of itself: docs/broker.md lists it. */
export function createFigures(metrics: Metrics, options: { connections(): number; now(): Date }) {
  const startedAt = options.now().getTime()
  return async () => ({
    version: pkg.version,
    uptime: Math.floor((options.now().getTime() - startedAt) / 1_000),
    connections: options.connections(),
    'messages/received': await total(metrics.packets, ({ type }) => type === 'publish'),
    'messages/sent': await total(metrics.delivered),
    'messages/stored': await total(metrics.stored),
    'messages/dropped': await total(metrics.dropped),
    refused: await total(metrics.refusals),
  })
}

type Labels = Partial<Record<string, string | number>>

async function total(counter: Counter<never> | Counter<string>, counts: (labels: Labels) => boolean = () => true) {
  const { values } = await counter.get()
  return values.reduce((sum, { labels, value }) => (counts(labels as Labels) ? sum + value : sum), 0)
}
