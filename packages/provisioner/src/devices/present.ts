import type { Device } from '@muster/contracts'
import type { devices } from '@muster/db'

export type DeviceRow = typeof devices.$inferSelect

export function presentDevice(row: DeviceRow): Device {
  const { roots: _, ...shown } = row
  return {
    ...shown,
    enrolledAt: row.enrolledAt.toISOString(),
    stateAt: row.stateAt.toISOString(),
    connected: row.node !== null,
    connectedAt: row.connectedAt?.toISOString() ?? null,
    seenAt: row.seenAt?.toISOString() ?? null,
  }
}
