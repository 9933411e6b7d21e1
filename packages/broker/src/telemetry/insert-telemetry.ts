import type { Db } from '@muster/db'
import type { TelemetryRow } from './telemetry-writer.ts'

const text = `
  insert into telemetry (fleet, device, topic, payload, qos, duplicate, received_at)
  select fleet, device, topic, payload, qos, duplicate, to_timestamp(received_ms / 1000.0)
  from unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::smallint[], $6::boolean[], $7::float8[])
    as row (fleet, device, topic, payload, qos, duplicate, received_ms)`

export function createTelemetryInsert(db: Db): (rows: readonly TelemetryRow[]) => Promise<void> {
  return async (rows) => {
    const values = [
      rows.map((row) => row.fleet),
      rows.map((row) => row.device),
      rows.map((row) => row.topic),
      rows.map((row) => row.payload),
      rows.map((row) => row.qos),
      rows.map((row) => row.duplicate ?? false),
      rows.map((row) => row.receivedAt),
    ]
    await db.$client.query({ name: 'insert-telemetry', text, values })
  }
}
