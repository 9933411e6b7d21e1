import {
  type ChangedDevice,
  type ChangeKind,
  type DeviceAction,
  MusterError,
  nextState,
  type RevocationReason,
} from '@muster/contracts'
import { certificates, devices, recordAudit, type Tx } from '@muster/db'
import { and, eq, ne } from 'drizzle-orm'
import { announceChange } from '../changes/announce.ts'
import type { Context } from '../context.ts'
import { type DeviceRow, presentFoundDevice } from './present.ts'

export interface DeviceTarget {
  fleet: string
  id: string
}

interface Transition {
  action: DeviceAction
  /** Why its certificates end with this, where they do. */
  reason?: RevocationReason
  /** What brokers are told, where they must act. */
  change?: ChangeKind
}

export const isDevice = ({ fleet, id }: DeviceTarget) => and(eq(devices.fleet, fleet), eq(devices.id, id))

export async function lockDevice(tx: Tx, target: DeviceTarget): Promise<DeviceRow> {
  const [device] = await tx.select().from(devices).where(isDevice(target)).for('update')
  if (!device) throw new MusterError('device-not-found', `fleet ${target.fleet} has no device ${target.id}`)
  return device
}

export async function changeDevice(ctx: Context, target: DeviceTarget, transition: Transition): Promise<ChangedDevice> {
  const { device, seq } = await ctx.db.transaction(async (tx) =>
    applyTransition(ctx, tx, await lockDevice(tx, target), transition),
  )
  return { ...(await presentFoundDevice(ctx.db, device)), change: seq === undefined ? null : String(seq) }
}

/** The one way a device changes state: row, certificates, audit entry, and the change that brokers are told of at commit. */
export async function applyTransition(ctx: Context, tx: Tx, before: DeviceRow, transition: Transition) {
  const { action, reason, change } = transition
  const { fleet, id } = before
  const at = ctx.now()
  const state = nextState(before.state, action)
  const [device = before] = await tx.update(devices).set({ state, stateAt: at }).where(isDevice(before)).returning()
  if (reason)
    await tx
      .update(certificates)
      .set({ state: 'revoked', revokedAt: at, revocationReason: reason })
      .where(and(eq(certificates.fleet, fleet), eq(certificates.device, id), ne(certificates.state, 'revoked')))
  const detail = { from: before.state, to: state, ...(reason && { reason }) }
  const { actor, requestId } = ctx
  await recordAudit(tx, { actor, action: `device.${action}`, fleet, subject: id, detail, requestId, at })
  return { device, at, seq: change && (await announceChange(tx, { kind: change, fleet, device: id, reason, at })) }
}
