import type { Db } from '@muster/db'
import type { Observer } from '../observer.ts'
import { createIngest, type Ingest } from './ingest.ts'
import { createTelemetryInsert } from './insert-telemetry.ts'
import { createTelemetryWriter } from './telemetry-writer.ts'

/** From a message to a committed row. */
export function openTelemetry(options: {
  db: Db
  now(): Date
  observer: Observer
}): { ingest: Ingest } & AsyncDisposable {
  const { db, now, observer } = options
  const writer = createTelemetryWriter({ insert: createTelemetryInsert(db), onBatch: observer.batchStored })
  const ingest = createIngest({
    writer,
    now,
    onDropped: () => observer.dropped('not-stored'),
  })
  return { ingest, [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose]() }
}
