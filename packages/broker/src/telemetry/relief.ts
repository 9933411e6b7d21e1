import { type Repeating, repeat } from '@muster/db'
import type { Limits } from '../limits.ts'
import { reasonCodes } from '../mqtt/reason-codes.ts'
import type { Session } from '../sessions/session.ts'
import type { TelemetryWriter } from './telemetry-writer.ts'

export interface ReliefOptions {
  writer: Pick<TelemetryWriter, 'isBlocked' | 'senders'>
  list(): Session[]
  limits: Pick<Limits, 'holdMs' | 'relievedPerSecond'>
  now(): Date
  onRelieved(): void
  onError(error: unknown): void
}

const everyMs = 250

/**
 * Tells clients whose messages have waited too long that they cannot be stored, by ending their connections: a few at a time,
 * because all of them come back at once. Whoever has unanswered messages that are not kept here is sent away when the database is back.
 */
export function openRelief({ writer, list, limits, now, onRelieved, onError }: ReliefOptions): Repeating {
  const { holdMs, relievedPerSecond } = limits

  function findDue() {
    const owing = list().filter(({ owesSince }) => owesSince !== undefined)
    if (!writer.isBlocked()) return owing
    const longAgo = now().getTime() - holdMs
    const waiting = [...writer.senders()].filter(([, since]) => since <= longAgo).map(([sender]) => sender)
    return [...waiting, ...owing.filter(({ owesSince = longAgo }) => owesSince <= longAgo)]
  }

  async function relieve() {
    const due = findDue().filter(({ socket }) => !socket.destroyed)
    for (const { transport } of due.slice(0, Math.ceil((relievedPerSecond * everyMs) / 1_000))) {
      transport.end(reasonCodes.serverBusy, 'unavailable: the message cannot be stored now')
      onRelieved()
    }
  }
  return repeat(relieve, { everyMs, onError })
}
