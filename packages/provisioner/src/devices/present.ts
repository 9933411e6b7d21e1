import { type AttachedPolicies, choosePolicy, type Device } from '@muster/contracts'
import type { Db, devices, Tx } from '@muster/db'
import { findAttachments } from '../policies/resolve.ts'

export type DeviceRow = typeof devices.$inferSelect

export function presentDevice(row: DeviceRow, attachments: Pick<AttachedPolicies, 'group' | 'fleet'>): Device {
  const { roots: _, claimPolicy, ...shown } = row
  const attached = { profile: row.profile, device: row.policy, claim: claimPolicy, ...attachments }
  const { name, attachedTo } = choosePolicy(attached)
  return {
    ...shown,
    policy: name,
    policyFrom: attachedTo,
    enrolledAt: row.enrolledAt.toISOString(),
    stateAt: row.stateAt.toISOString(),
    connected: row.node !== null,
    connectedAt: row.connectedAt?.toISOString() ?? null,
    seenAt: row.seenAt?.toISOString() ?? null,
    sessionEndsAt: (row.node === null && row.sessionEndsAt?.toISOString()) || null,
  }
}

export const presentFoundDevice = async (db: Db | Tx, row: DeviceRow): Promise<Device> =>
  presentDevice(row, await findAttachments(db, row))
