import { MusterError } from '@muster/contracts'
import { certificates, claimKeys, claims, devices, prepared, type Tx } from '@muster/db'
import type { Issuer } from '@muster/pki'
import { and, eq, ne, or, sql } from 'drizzle-orm'
import type { Context } from '../context.ts'
import type { DeviceRow } from '../devices/present.ts'
import { findAttachments } from '../policies/resolve.ts'
import type { ClaimRow } from './authenticate-claim.ts'
import { chooseName } from './choose-name.ts'

export interface Asked {
  keyFingerprint: string
  /** The name that the request gives. */
  device?: string | undefined
}

export interface Found {
  claim: ClaimRow | undefined
  /** What the key has become with this claim. */
  binding: typeof claimKeys.$inferSelect | undefined
  /** Whoever has the name or the key. */
  devices: DeviceRow[]
  /** Of the fleet, and of the claim's group. */
  attachments: Awaited<ReturnType<typeof findAttachments>>
  /** What only a new certificate needs: answers it, or throws why it is not to be had. */
  requireIssuer(): Issuer
}

/**
 * All that an enrolment depends on, asked at once. The claim is locked before anything else is looked at: whoever had it before
 * has committed by then, and is seen.
 */
export async function lookUp(
  { issuers }: Pick<Context, 'issuers'>,
  tx: Tx,
  seen: ClaimRow,
  asked: Asked,
): Promise<Found> {
  const { id: claim, fleet, group } = seen
  const { keyFingerprint } = asked
  const [claimed, bindings, found, issuer, attachments] = await Promise.all([
    prepared(tx, lockClaim).execute({ claim }),
    prepared(tx, findBinding).execute({ claim, keyFingerprint }),
    prepared(tx, lockDevices).execute({ fleet, id: nameOf(seen, asked) ?? '', keyFingerprint }),
    postpone(issuers.lockActive(tx)),
    findAttachments(tx, { fleet, group }),
  ])
  return { claim: claimed[0], binding: bindings[0], devices: found, attachments, requireIssuer: issuer }
}

/** A refusal that does not concern everybody is thrown to those whom it does. */
function postpone<T>(work: Promise<T>): Promise<() => T> {
  return work.then(
    (value) => () => value,
    (error: unknown) => {
      if (!(error instanceof MusterError)) throw error
      return () => {
        throw error
      }
    },
  )
}

/** Undefined where it will be refused, unless the key is known already. */
function nameOf(claim: ClaimRow, { device }: Asked): string | undefined {
  try {
    return chooseName(claim.devices, device)
  } catch {
    return undefined
  }
}

const { placeholder } = sql

const lockClaim = (tx: Tx) =>
  tx
    .select()
    .from(claims)
    .where(eq(claims.id, placeholder('claim')))
    .for('update')
    .prepare('lock_claim')

const findBinding = (tx: Tx) =>
  tx
    .select()
    .from(claimKeys)
    .where(and(eq(claimKeys.claim, placeholder('claim')), eq(claimKeys.keyFingerprint, placeholder('keyFingerprint'))))
    .prepare('find_claim_key')

const lockDevices = (tx: Tx) => {
  const isNamed = and(eq(devices.fleet, placeholder('fleet')), eq(devices.id, placeholder('id')))
  const holdsKey = and(eq(devices.keyFingerprint, placeholder('keyFingerprint')), ne(devices.state, 'retired'))
  return tx
    .select()
    .from(devices)
    .where(or(isNamed, holdsKey, awaitsKey(tx)))
    .for('update')
    .prepare('lock_devices')
}

/** The device, if any, that has renewed to the key and not used it yet. */
function awaitsKey(tx: Tx) {
  const waits = and(eq(certificates.keyFingerprint, placeholder('keyFingerprint')), eq(certificates.state, 'pending'))
  const fleet = tx.select({ fleet: certificates.fleet }).from(certificates).where(waits)
  const device = tx.select({ device: certificates.device }).from(certificates).where(waits)
  return and(eq(devices.fleet, fleet), eq(devices.id, device))
}
