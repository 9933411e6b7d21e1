import type { Session } from '../sessions/session.ts'
import type { TelemetryWriter } from './telemetry-writer.ts'

export interface Publication {
  topic: string
  payload: Buffer
  qos: 0 | 1 | 2
  /** The DUP flag: it may have come before. A will has none. */
  dup?: boolean
}

export interface IngestOptions {
  writer: TelemetryWriter
  now(): Date
  onDropped(): void
}

/** Stores what devices publish. */
export function createIngest({ writer, now, onDropped }: IngestOptions) {
  /**
   * Resolves when the message may be acknowledged; at QoS 0, which is dropped where it cannot be stored, when it takes no room
   * any more. While the database is away it stays pending.
   * @throws MusterError `unavailable`; `publish-denied`: never to be stored
   */
  return function ingest(session: Session, { topic, payload, qos, dup = false }: Publication): Promise<void> {
    const { fleet, device } = session.peer.identity
    const receivedAt = now().getTime()
    // What there is no room for is neither kept nor answered: its client keeps it, and sends it again on its next connection.
    // What comes after it must not overtake it.
    if (qos === 1 && writer.isBlocked() && writer.isFull()) session.owesSince ??= receivedAt
    if (qos === 1 && session.owesSince !== undefined) return new Promise(() => {})
    const stored = writer.add({ fleet, device, topic, payload, qos, duplicate: dup, receivedAt, sender: session })
    return qos === 0 ? stored.catch(onDropped) : stored
  }
}
export type Ingest = ReturnType<typeof createIngest>
