import { MusterError, promotionsChannel, sessionKey } from '@muster/contracts'
import { certificates, devices, isUniqueViolation, recordAudit, type Tx } from '@muster/db'
import { eq, sql } from 'drizzle-orm'
import { type CertificateRow, supersedeCertificates } from '../certificates/issue.ts'
import type { Context } from '../context.ts'
import type { DeviceRow } from '../devices/present.ts'
import { isDevice } from '../devices/transition.ts'

/** The first use of a renewed certificate: it is the one in use from here on. The caller holds the device's lock. */
export async function promotePending(
  ctx: Context,
  tx: Tx,
  device: DeviceRow,
  { serial, fleet, keyFingerprint }: CertificateRow,
): Promise<void> {
  await supersedeCertificates(tx, { fleet, device: device.id }, ['active'])
  await tx.update(certificates).set({ state: 'active' }).where(eq(certificates.serial, serial))
  if (device.keyFingerprint !== keyFingerprint) await takeKey(tx, device, keyFingerprint)
  // Brokers end what is still connected with the one before.
  const key = sessionKey({ fleet, device: device.id })
  await tx.execute(sql`select pg_notify(${promotionsChannel}, ${key})`)
  const { actor, requestId } = ctx
  const detail = { serial, keyFingerprint }
  const at = ctx.now()
  await recordAudit(tx, { actor, action: 'certificate.promote', fleet, subject: device.id, detail, requestId, at })
}

async function takeKey(tx: Tx, device: DeviceRow, keyFingerprint: string): Promise<void> {
  try {
    await tx.update(devices).set({ keyFingerprint }).where(isDevice(device))
  } catch (cause) {
    if (!isUniqueViolation(cause, 'devices_key')) throw cause
    throw new MusterError('key-in-use', 'another device has enrolled with this key meanwhile', { cause })
  }
}
