import type { Db } from '@muster/db'
import type { Logger } from 'pino'
import { createFigures } from './figures.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { createObserver, type Observer } from './observer.ts'
import { type OnElsewhere, openPresence } from './presence.ts'
import { openRefusalLog } from './refusal-log.ts'
import type { Session } from './sessions/session.ts'
import { createTraffic } from './traffic.ts'

export interface ObservationOptions {
  db: Db
  node: string
  log: Logger
  now(): Date
  onError(error: unknown): void
  onElsewhere: OnElsewhere
  /** Every connection that is admitted or being judged. */
  list(): Session[]
  certificateEnds(): Date | undefined
  kept: Parameters<typeof createMetrics>[0]['kept']
  mayKeep(): boolean
}

/** Where the rest of the process reports to, and what becomes of it: metrics, log, refusals on record, presence. */
export interface Observation extends AsyncDisposable {
  metrics: Metrics
  observer: Observer
  /** What services are told of this node. */
  figures: ReturnType<typeof createFigures>
}

export function openObservation(options: ObservationOptions): Observation {
  const { db, node, log, now, onError, onElsewhere, list, certificateEnds, kept, mayKeep } = options
  const opened = new AsyncDisposableStack()
  const connections = () => list().length
  const metrics = createMetrics({ connections, certificateEnds, kept, mayKeep })
  const onDropped = (count: number, error: unknown) => {
    metrics.refusalsDropped.inc(count)
    onError(error)
  }
  const refusals = opened.use(openRefusalLog({ db, now, onError, onDropped }))
  const presence = opened.use(openPresence({ db, node, now, onElsewhere, onError }))
  presence.watch(() => list().filter(({ socket }) => !socket.destroyed))
  const traffic = createTraffic(metrics.registry, list)
  return {
    metrics,
    observer: createObserver({ metrics, refusals, presence, traffic, log, now }),
    figures: createFigures(metrics, { connections, now }),
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}
