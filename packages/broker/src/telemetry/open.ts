import type { Db } from '@muster/db'
import type { Contact } from '../contact/contact.ts'
import type { Limits } from '../limits.ts'
import type { Observer } from '../observer.ts'
import type { Session } from '../sessions/session.ts'
import { createIngest, type Ingest } from './ingest.ts'
import { createTelemetryInsert } from './insert-telemetry.ts'
import { openRelief } from './relief.ts'
import { createTelemetryWriter, type TelemetryWriter } from './telemetry-writer.ts'

export interface Telemetry extends AsyncDisposable {
  ingest: Ingest
  waiting: TelemetryWriter['waiting']
}

/** From a message to a committed row. */
export async function openTelemetry(options: {
  db: Db
  contact: Pick<Contact, 'isHere'>
  list(): Session[]
  limits: Limits
  now(): Date
  observer: Observer
  onError(error: unknown): void
}): Promise<Telemetry> {
  const { db, contact, list, limits, now, observer, onError } = options
  await using opening = new AsyncDisposableStack()
  const writer = opening.use(
    createTelemetryWriter({
      insert: createTelemetryInsert(db),
      isHere: contact.isHere,
      onBatch: observer.batchStored,
      onRetry: observer.batchFailed,
    }),
  )
  opening.use(openRelief({ writer, list, limits, now, onRelieved: observer.relieved, onError }))
  const ingest = createIngest({ writer, now, onDropped: () => observer.dropped('not-stored') })
  const opened = opening.move()
  return { ingest, waiting: writer.waiting, [Symbol.asyncDispose]: () => opened.disposeAsync() }
}
