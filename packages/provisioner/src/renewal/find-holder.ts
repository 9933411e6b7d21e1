import { certificates, type Db, devices, fleets, issuers, type Tx } from '@muster/db'
import { and, eq } from 'drizzle-orm'
import type { CertificateRow } from '../certificates/issue.ts'
import type { DeviceRow } from '../devices/present.ts'
import type { Standing } from './judge.ts'

/** A certificate that we have issued, and whose it is. */
export interface Holder {
  certificate: CertificateRow
  device: DeviceRow
  standing: Standing
}

export async function findHolder(db: Db | Tx, serial: string): Promise<Holder | undefined> {
  const [row] = await db
    .select({
      certificate: certificates,
      device: devices,
      lateRenewalDays: fleets.lateRenewalDays,
      issuerState: issuers.state,
    })
    .from(certificates)
    .innerJoin(devices, and(eq(devices.fleet, certificates.fleet), eq(devices.id, certificates.device)))
    .innerJoin(fleets, eq(fleets.name, certificates.fleet))
    .leftJoin(issuers, eq(issuers.name, certificates.issuer))
    .where(eq(certificates.serial, serial))
  if (!row) return undefined
  const { certificate, device, lateRenewalDays, issuerState } = row
  const { state: certificateState, notBefore, notAfter } = certificate
  const standing: Standing = {
    certificateState,
    notBefore,
    notAfter,
    deviceState: device.state,
    issuerState: issuerState ?? 'active',
    lateRenewalDays,
  }
  return { certificate, device, standing }
}
