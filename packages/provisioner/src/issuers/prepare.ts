import { type Issuer, MusterError, type PrepareIssuerRequest } from '@muster/contracts'
import { issuers, type Tx } from '@muster/db'
import { certificateFingerprint } from '@muster/pki'
import { and, eq } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { findIssuer } from './list.ts'
import { lockIssuers } from './lock.ts'
import { recordIssuer } from './record.ts'
import type { IssuerRow } from './trust.ts'

/** The next CA: made, or taken as it was imported, and told to the brokers. Nothing comes from it yet. */
export async function prepareIssuer(ctx: Context, { name, kind }: PrepareIssuerRequest): Promise<Issuer> {
  await ctx.db.transaction(async (tx) => {
    await lockIssuers(tx)
    const [known] = await tx.select().from(issuers).where(eq(issuers.name, name))
    // The answer may have been lost.
    if (known?.kind === kind && known.state === 'prepared') return
    if (known) throw new MusterError('conflict', `there is an issuer ${name} already, and it is ${known.state}`)
    const root = await findActiveRoot(tx)
    if (kind === 'root') await prepareRoot(ctx, tx, name, root)
    else await prepareIssuing(ctx, tx, name, root)
  })
  await ctx.issuers.refresh()
  return findIssuer(ctx, name)
}

/** New CAs come from this one. */
async function findActiveRoot(tx: Tx): Promise<IssuerRow> {
  const [root] = await tx
    .select()
    .from(issuers)
    .where(and(eq(issuers.kind, 'root'), eq(issuers.state, 'active')))
  if (!root) throw new MusterError('unavailable', 'the registry has no active root')
  return root
}

async function prepareIssuing(ctx: Context, tx: Tx, name: string, root: IssuerRow): Promise<void> {
  const ca = await ctx.issuers.store.createIssuer(name, root.name)
  const fingerprint = certificateFingerprint(ca.root.raw)
  const known = await tx.$count(issuers, and(eq(issuers.kind, 'root'), eq(issuers.fingerprint, fingerprint)))
  if (known === 0)
    throw new MusterError(
      'conflict',
      `${name} was issued by a root that is not in the registry: prepare that one first`,
    )
  const trace = traceOf(ctx)
  await recordIssuer(tx, { name, kind: 'issuing', state: 'prepared', certificate: ca.issuer.certificate }, trace)
}

async function prepareRoot(ctx: Context, tx: Tx, name: string, old: IssuerRow): Promise<void> {
  const { root, cross } = await ctx.issuers.store.createRoot(name, old.name)
  const trace = traceOf(ctx)
  await recordIssuer(tx, { name, kind: 'root', state: 'prepared', certificate: root }, trace)
  await recordIssuer(tx, { name: `${name}-by-${old.name}`, kind: 'cross', state: 'active', certificate: cross }, trace)
}

const traceOf = (ctx: Context) => ({
  ...{ actor: ctx.actor, action: 'issuer.prepare' as const, requestId: ctx.requestId },
  at: ctx.now(),
})
