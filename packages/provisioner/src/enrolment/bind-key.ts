import { MusterError } from '@muster/contracts'
import { certificates, claimKeys, claims, devices, type Tx } from '@muster/db'
import { and, eq, ne, or, sql } from 'drizzle-orm'
import type { Context } from '../context.ts'
import type { DeviceRow } from '../devices/present.ts'
import { type DeviceTarget, isDevice } from '../devices/transition.ts'
import { holdPolicy } from '../policies/find.ts'
import type { ClaimRow } from './authenticate-claim.ts'
import { chooseName } from './choose-name.ts'

export interface NewKey {
  keyFingerprint: string
  device?: string | undefined
  attributes?: Record<string, string> | undefined
}

export interface BoundDevice {
  device: DeviceRow
  /** It had a life with this key before this claim. */
  known: boolean
}

/** A key the claim has not seen: checks that it may still be used, finds or makes the device, and binds the key for ever. */
export async function bindKey(ctx: Context, tx: Tx, claim: ClaimRow, key: NewKey): Promise<BoundDevice> {
  const at = ctx.now()
  requireUsable(claim, at)
  if (claim.policy !== null) await holdPolicy(tx, { fleet: claim.fleet, name: claim.policy })
  const target = { fleet: claim.fleet, id: chooseName(claim.devices, key.device) }
  const { keyFingerprint } = key
  const holdsKey = and(eq(devices.keyFingerprint, keyFingerprint), ne(devices.state, 'retired'))
  const found = await tx
    .select()
    .from(devices)
    .where(or(isDevice(target), holdsKey, awaitsKey(tx, keyFingerprint)))
    .for('update')
  const existing = found.find(({ fleet, id }) => fleet === target.fleet && id === target.id)
  const isHolder = existing?.keyFingerprint === keyFingerprint && existing.state !== 'retired'
  if (found.some((row) => row !== existing))
    throw new MusterError('key-in-use', 'the key belongs to another device: every device makes its own')
  if (existing && existing.state !== 'retired' && !isHolder)
    throw new MusterError('device-taken', `${target.id} is enrolled with another key; retire it first`)
  if (isHolder && existing.profile !== claim.profile)
    throw new MusterError('device-taken', `${target.id} is enrolled as a ${existing.profile}; retire it first`)

  const device = isHolder ? existing : await storeDevice(tx, claim, target, existing !== undefined, key, at)
  const use = tx.$with('use').as(
    tx
      .update(claims)
      .set({ used: sql`${claims.used} + 1` })
      .where(eq(claims.id, claim.id)),
  )
  await tx
    .with(use)
    .insert(claimKeys)
    .values({ claim: claim.id, keyFingerprint, fleet: target.fleet, device: target.id, boundAt: at })
  return { device, known: isHolder }
}

/** The device, if any, that has renewed to the key and not used it yet. */
function awaitsKey(tx: Tx, keyFingerprint: string) {
  const waits = and(eq(certificates.keyFingerprint, keyFingerprint), eq(certificates.state, 'pending'))
  const fleet = tx.select({ fleet: certificates.fleet }).from(certificates).where(waits)
  const device = tx.select({ device: certificates.device }).from(certificates).where(waits)
  return and(eq(devices.fleet, fleet), eq(devices.id, device))
}

function requireUsable(claim: ClaimRow, now: Date): void {
  if (claim.uses === 1 && claim.used > 0)
    throw new MusterError('claim-key-mismatch', 'the claim was used by another key; it is for one device')
  if (claim.expiresAt && claim.expiresAt <= now) throw new MusterError('claim-expired', 'the claim has expired')
  if (claim.used >= claim.uses)
    throw new MusterError('claim-exhausted', 'the claim has been used as often as it may be')
}

/** A retired device's row is taken over: the name starts a new life. */
async function storeDevice(
  tx: Tx,
  claim: ClaimRow,
  target: DeviceTarget,
  retired: boolean,
  key: NewKey,
  at: Date,
): Promise<DeviceRow> {
  const { group, policy: claimPolicy, profile, approval } = claim
  const life = {
    group,
    policy: null,
    claimPolicy,
    profile,
    state: approval ? ('pending' as const) : ('active' as const),
    keyFingerprint: key.keyFingerprint,
    attributes: key.attributes ?? {},
    enrolledAt: at,
    stateAt: at,
    node: null,
    connectedAt: null,
    seenAt: null,
    clockSkewSeconds: null,
    roots: null,
  }
  if (retired) await tx.update(devices).set(life).where(isDevice(target))
  else await tx.insert(devices).values({ ...target, ...life })
  return { ...target, ...life }
}
