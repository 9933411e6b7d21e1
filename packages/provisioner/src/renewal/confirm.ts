import type { X509Certificate } from 'node:crypto'
import { MusterError, type RenewalWindow } from '@muster/contracts'
import type { Tx } from '@muster/db'
import type { Context } from '../context.ts'
import { lockDevice } from '../devices/transition.ts'
import { findHolder, type Holder } from './find-holder.ts'
import { findPulledWindows } from './find-windows.ts'
import { identifyHolder } from './identify.ts'
import { requireRenewable } from './judge.ts'
import { promotePending } from './promote.ts'
import { isRefusal, recordRenewalRefusal } from './record-refusal.ts'
import { chooseWindow } from './window.ts'

/** When to renew the certificate that is shown. Showing a renewed one for the first time puts it in use. */
export async function confirmCertificate(
  ctx: Context,
  presented: X509Certificate | undefined,
  address: string,
): Promise<RenewalWindow> {
  const holder = await identifyHolder(ctx, presented, address)
  try {
    requireRenewable(holder.standing, ctx.now())
    if (holder.certificate.state === 'pending')
      await ctx.db.transaction((tx) => promoteLocked({ ...ctx, actor: `device:${holder.device.id}` }, tx, holder))
  } catch (error) {
    if (isRefusal(error)) await recordRenewalRefusal(ctx, ctx.db, holder, address, error)
    throw error
  }
  const { device, certificate } = holder
  const { start, end } = chooseWindow(certificate, await findPulledWindows(ctx.db, device, certificate))
  return {
    window: { start: start.toISOString(), end: end.toISOString() },
    serverTime: ctx.now().toISOString(),
  }
}

/** Judged once more under the device's lock: a revocation may have come between. */
async function promoteLocked(ctx: Context, tx: Tx, { device, certificate }: Holder): Promise<void> {
  await lockDevice(tx, device)
  const holder = await findHolder(tx, certificate.serial)
  if (!holder) throw new MusterError('certificate-unknown', 'the registry has not issued this certificate')
  requireRenewable(holder.standing, ctx.now())
  if (holder.certificate.state === 'pending') await promotePending(ctx, tx, holder.device, holder.certificate)
}
