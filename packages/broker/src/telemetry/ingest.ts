import type { Session } from '../sessions/session.ts'
import type { TelemetryWriter } from './telemetry-writer.ts'

export interface Publication {
  topic: string
  payload: Buffer
  qos: 0 | 1 | 2
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
   * any more. @throws MusterError `unavailable`
   */
  return function ingest(session: Session, { topic, payload, qos }: Publication): Promise<void> {
    const { fleet, device } = session.peer.identity
    const stored = writer.add({ fleet, device, topic, payload, qos, receivedAt: now().getTime() })
    return qos === 0 ? stored.catch(onDropped) : stored
  }
}
export type Ingest = ReturnType<typeof createIngest>
