import { type Db, renewalWindows, type Tx } from '@muster/db'
import { and, eq, isNull, or } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import type { CertificateRow } from '../certificates/issue.ts'
import type { DeviceRow } from '../devices/present.ts'
import type { PulledWindow } from './window.ts'

/** The windows that operators have pulled forward for this device and the issuer of its certificate. */
export function findPulledWindows(
  db: Db | Tx,
  device: Pick<DeviceRow, 'fleet' | 'group' | 'id'>,
  { issuer }: Pick<CertificateRow, 'issuer'>,
): Promise<PulledWindow[]> {
  const allows = (column: PgColumn, value: string) => or(isNull(column), eq(column, value))
  return db
    .select()
    .from(renewalWindows)
    .where(
      and(
        allows(renewalWindows.fleet, device.fleet),
        allows(renewalWindows.group, device.group),
        allows(renewalWindows.device, device.id),
        allows(renewalWindows.issuer, issuer),
      ),
    )
}
