import { isUtf8 } from 'node:buffer'
import type { TelemetryMessage } from '@muster/contracts'
import type { telemetry } from '@muster/db'

export function presentMessage(row: typeof telemetry.$inferSelect): TelemetryMessage {
  const { topic, payload, qos, duplicate, receivedAt } = row
  const encoding = isUtf8(payload) ? 'utf8' : 'base64'
  return { topic, payload: payload.toString(encoding), encoding, qos, duplicate, receivedAt: receivedAt.toISOString() }
}
