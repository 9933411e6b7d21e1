import { X509Certificate } from 'node:crypto'
import { type Issuer, MusterError, type RetireIssuerRequest } from '@muster/contracts'
import { certificates, devices, issuers, type Tx } from '@muster/db'
import { and, eq, exists, ne, sql } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { requireIssuer } from './activate.ts'
import { findIssuer, isLive } from './list.ts'
import { lockIssuers } from './lock.ts'
import { changeIssuer } from './record.ts'
import type { IssuerRow } from './trust.ts'

/**
 * Nothing of this issuer is admitted any more. Refused while something depends on it, unless by force: then its certificates
 * are revoked and brokers close their connections.
 */
export async function retireIssuer(ctx: Context, name: string, { force }: RetireIssuerRequest): Promise<Issuer> {
  await ctx.db.transaction(async (tx) => {
    await lockIssuers(tx)
    const issuer = await requireIssuer(tx, name)
    if (issuer.state === 'retired') return
    if (issuer.state === 'active') throw new MusterError('conflict', `${name} is active: activate another one first`)
    const at = ctx.now()
    const lost =
      issuer.kind === 'root' ? await leaveRoot(ctx, tx, issuer, force) : await endCertificates(tx, name, force, at)
    const { actor, requestId } = ctx
    const trace = { actor, requestId, action: 'issuer.retire' as const, at }
    for (const cross of issuer.kind === 'root' ? await listCrosses(tx, issuer) : [])
      await changeIssuer(tx, cross, 'retired', trace)
    await changeIssuer(tx, issuer, 'retired', { ...trace, detail: { force, ...lost } })
  })
  await ctx.issuers.refresh()
  return findIssuer(ctx, name)
}

async function endCertificates(tx: Tx, issuer: string, force: boolean, at: Date) {
  const live = and(eq(certificates.issuer, issuer), isLive(at))
  const count = await tx.$count(certificates, live)
  if (count > 0 && !force)
    throw new MusterError('issuer-in-use', `${count} certificates of ${issuer} are in use and would end`)
  if (count > 0)
    await tx
      .update(certificates)
      .set({ state: 'revoked', revokedAt: at, revocationReason: 'cessationOfOperation' })
      .where(live)
  return { certificates: count }
}

/** A root goes when no issuing CA comes from it any more, and every device has said that it trusts the one after it. */
async function leaveRoot(ctx: Context, tx: Tx, root: IssuerRow, force: boolean) {
  const certificate = new X509Certificate(root.der)
  const rows = await tx
    .select()
    .from(issuers)
    .where(and(eq(issuers.kind, 'issuing'), ne(issuers.state, 'retired')))
  const below = rows.filter(({ name }) => ctx.issuers.find(name)?.root.raw.equals(certificate.raw) ?? true)
  if (below.length > 0)
    throw new MusterError(
      'issuer-in-use',
      `retire what ${root.name} has issued first: ${below.map(({ name }) => name).join(', ')}`,
    )
  const [next] = await tx
    .select()
    .from(issuers)
    .where(and(eq(issuers.kind, 'root'), eq(issuers.state, 'active')))
  const unconfirmed = next ? await countUnconfirmed(ctx, tx, next.fingerprint) : 0
  if (unconfirmed > 0 && !force)
    throw new MusterError('issuer-in-use', `${unconfirmed} devices have not said that they trust ${next?.name}`)
  return { unconfirmed }
}

function countUnconfirmed({ now }: Context, tx: Tx, fingerprint: string): Promise<number> {
  const held = tx
    .select({ serial: certificates.serial })
    .from(certificates)
    .where(and(eq(certificates.fleet, devices.fleet), eq(certificates.device, devices.id), isLive(now())))
  const confirmed = sql`${fingerprint} = any(coalesce(${devices.roots}, '{}'))`
  return tx.$count(devices, and(eq(devices.state, 'active'), sql`not ${confirmed}`, exists(held)))
}

/** Cross certificates by the root, which lead nowhere without it. */
async function listCrosses(tx: Tx, root: IssuerRow): Promise<IssuerRow[]> {
  const certificate = new X509Certificate(root.der)
  const rows = await tx
    .select()
    .from(issuers)
    .where(and(eq(issuers.kind, 'cross'), ne(issuers.state, 'retired')))
  return rows.filter(({ der }) => new X509Certificate(der).checkIssued(certificate))
}
