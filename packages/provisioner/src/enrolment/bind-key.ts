import { MusterError } from '@muster/contracts'
import { claimKeys, claims, devices, prepared, type Tx } from '@muster/db'
import { eq, sql } from 'drizzle-orm'
import type { DeviceRow } from '../devices/present.ts'
import { isDevice } from '../devices/transition.ts'
import { holdPolicy } from '../policies/find.ts'
import type { ClaimRow } from './authenticate-claim.ts'
import { chooseName } from './choose-name.ts'
import type { Asked, Found } from './look-up.ts'

export interface NewKey extends Asked {
  attributes?: Record<string, string> | undefined
}

export interface BoundDevice {
  device: DeviceRow
  /** It had a life with this key before this claim. */
  known: boolean
  /** What makes it so; undefined where it is so. */
  write: (() => Promise<unknown>[]) | undefined
}

/** A key the claim has not seen: checks that it may still be used, and finds or makes the device; written, the key is bound for ever. */
export async function bindKey(
  tx: Tx,
  claim: ClaimRow,
  key: NewKey,
  found: Pick<Found, 'devices'>,
  at: Date,
): Promise<BoundDevice> {
  requireUsable(claim, at)
  const { fleet, id: claimId, policy } = claim
  if (policy !== null) await holdPolicy(tx, { fleet, name: policy })
  const { keyFingerprint } = key
  const id = chooseName(claim.devices, key.device)
  const existing = found.devices.find((row) => row.fleet === fleet && row.id === id)
  const isHolder = existing?.keyFingerprint === keyFingerprint && existing.state !== 'retired'
  if (found.devices.some((row) => row !== existing))
    throw new MusterError('key-in-use', 'the key belongs to another device: every device makes its own')
  if (existing && existing.state !== 'retired' && !isHolder)
    throw new MusterError('device-taken', `${id} is enrolled with another key; retire it first`)
  if (isHolder && existing.profile !== claim.profile)
    throw new MusterError('device-taken', `${id} is enrolled as a ${existing.profile}; retire it first`)

  const use = { claim: claimId, keyFingerprint, fleet, device: id, boundAt: at }
  const device = isHolder ? existing : beginLife(claim, id, key, at)
  return {
    device,
    known: isHolder,
    write: () => [
      ...(isHolder ? [] : [existing ? takeOver(tx, device) : prepared(tx, insertDevice).execute({ ...device })]),
      prepared(tx, useClaim).execute(use),
    ],
  }
}

function requireUsable(claim: ClaimRow, now: Date): void {
  if (claim.uses === 1 && claim.used > 0)
    throw new MusterError('claim-key-mismatch', 'the claim was used by another key; it is for one device')
  if (claim.expiresAt && claim.expiresAt <= now) throw new MusterError('claim-expired', 'the claim has expired')
  if (claim.used >= claim.uses)
    throw new MusterError('claim-exhausted', 'the claim has been used as often as it may be')
}

function beginLife(claim: ClaimRow, id: string, key: NewKey, at: Date): DeviceRow {
  const { fleet, group, policy: claimPolicy, profile, approval } = claim
  return {
    ...{ fleet, id, group, policy: null, claimPolicy, profile },
    state: approval ? 'pending' : 'active',
    keyFingerprint: key.keyFingerprint,
    attributes: key.attributes ?? {},
    ...{ enrolledAt: at, stateAt: at },
    ...{ node: null, connectedAt: null, seenAt: null, sessionEndsAt: null, clockSkewSeconds: null, roots: null },
  }
}

/** A retired device's row is taken over: the name starts a new life. */
async function takeOver(tx: Tx, { fleet, id, ...life }: DeviceRow): Promise<void> {
  await tx.update(devices).set(life).where(isDevice({ fleet, id }))
}

const { placeholder } = sql

const insertDevice = (tx: Tx) =>
  tx
    .insert(devices)
    .values({
      fleet: placeholder('fleet'),
      id: placeholder('id'),
      group: placeholder('group'),
      claimPolicy: placeholder('claimPolicy'),
      profile: placeholder('profile'),
      state: placeholder('state'),
      keyFingerprint: placeholder('keyFingerprint'),
      attributes: placeholder('attributes'),
      enrolledAt: placeholder('enrolledAt'),
      stateAt: placeholder('stateAt'),
    })
    .prepare('insert_device')

const useClaim = (tx: Tx) => {
  const use = tx.$with('use').as(
    tx
      .update(claims)
      .set({ used: sql`${claims.used} + 1` })
      .where(eq(claims.id, placeholder('claim'))),
  )
  return tx
    .with(use)
    .insert(claimKeys)
    .values({
      claim: placeholder('claim'),
      keyFingerprint: placeholder('keyFingerprint'),
      fleet: placeholder('fleet'),
      device: placeholder('device'),
      boundAt: placeholder('boundAt'),
    })
    .prepare('use_claim')
}
