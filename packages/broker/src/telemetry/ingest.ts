import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Session } from '../sessions/session.ts'
import type { TelemetryWriter } from './telemetry-writer.ts'

export interface Publication {
  topic: string
  payload: Buffer
  qos: 0 | 1 | 2
  messageId: number | undefined
}

export interface IngestOptions {
  writer: TelemetryWriter
  /** Whether a QoS 2 message with this packet id was received and not released yet. */
  isReceived(key: string, messageId: number): boolean
  now(): Date
  onDropped(): void
}

/** Stores what devices publish. */
export function createIngest({ writer, isReceived, now, onDropped }: IngestOptions) {
  /** QoS 2 messages on their way to the disk: the same one may come again on a new connection meanwhile. */
  const storing = new Map<string, Promise<void>>()

  function add(session: Session, { topic, payload, qos }: Publication): Promise<void> {
    const { fleet, device } = session.peer.identity
    return writer.add({ fleet, device, topic, payload, qos, receivedAt: now().getTime() })
  }

  async function addOnce(session: Session, publication: Publication & { messageId: number }): Promise<void> {
    const { messageId } = publication
    if (isReceived(session.key, messageId)) return
    const id = `${session.key}#${messageId}`
    const earlier = storing.get(id)
    if (earlier) {
      await earlier
      // The first one notes the packet id as received before this one goes on.
      await nextTurn()
      return
    }
    const stored = add(session, publication)
    storing.set(id, stored)
    try {
      await stored
    } finally {
      setImmediate(() => storing.delete(id))
    }
  }

  /** Resolves when the message may be acknowledged. @throws MusterError `unavailable` */
  return function ingest(session: Session, publication: Publication): Promise<void> | undefined {
    const { qos, messageId } = publication
    if (qos === 0) {
      add(session, publication).catch(onDropped)
      return undefined
    }
    if (qos === 2 && messageId !== undefined) return addOnce(session, { ...publication, messageId })
    return add(session, publication)
  }
}
export type Ingest = ReturnType<typeof createIngest>
