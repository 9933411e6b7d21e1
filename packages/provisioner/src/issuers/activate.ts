import { type ActivateIssuerRequest, type Issuer, MusterError } from '@muster/contracts'
import { issuers, renewalWindows, type Tx } from '@muster/db'
import { and, eq } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { findIssuer } from './list.ts'
import { listMissingNodes } from './live-nodes.ts'
import { lockIssuers } from './lock.ts'
import { changeIssuer } from './record.ts'
import type { IssuerRow } from './trust.ts'

const dayMs = 86_400_000

/**
 * From now on certificates come from this issuer (or issuing CAs from this root), and those of the one before are to be
 * renewed. Only after every broker node that is alive has said that it admits them. A retiring issuer can be activated again.
 */
export async function activateIssuer(ctx: Context, name: string, request: ActivateIssuerRequest): Promise<Issuer> {
  await ctx.db.transaction(async (tx) => {
    await lockIssuers(tx)
    const issuer = await requireIssuer(tx, name)
    if (issuer.state === 'active') return
    if (issuer.state === 'retired') throw new MusterError('conflict', `${name} is retired`)
    const at = ctx.now()
    const missing = await listMissingNodes(tx, name, at)
    if (missing.length > 0)
      throw new MusterError('issuer-not-trusted', `these brokers do not trust ${name} yet: ${missing.join(', ')}`)
    if (issuer.kind === 'issuing') await ctx.issuers.store.open(issuer)

    const { actor, requestId } = ctx
    const trace = { actor, requestId, action: 'issuer.activate' as const, at }
    const [before] = await tx
      .select()
      .from(issuers)
      .where(and(eq(issuers.kind, issuer.kind), eq(issuers.state, 'active')))
    if (before) await changeIssuer(tx, before, 'retiring', trace)
    const window = before?.kind === 'issuing' ? await pullWindow(ctx, tx, before.name, request, at) : undefined
    await changeIssuer(tx, issuer, 'active', { ...trace, detail: { before: before?.name, ...window } })
  })
  await ctx.issuers.refresh()
  return findIssuer(ctx, name)
}

async function pullWindow(ctx: Context, tx: Tx, issuer: string, { renewWithin }: ActivateIssuerRequest, at: Date) {
  const lengthMs = renewWithin === undefined ? Math.min(dayMs, ctx.settings.validityMs / 12) : renewWithin * 1_000
  const endsAt = new Date(at.getTime() + lengthMs)
  await tx.insert(renewalWindows).values({ issuer, startsAt: at, endsAt, createdAt: at })
  return { renewUntil: endsAt.toISOString() }
}

/** One that has a life of its own: cross certificates go with their roots. */
export async function requireIssuer(tx: Tx, name: string): Promise<IssuerRow> {
  const [issuer] = await tx.select().from(issuers).where(eq(issuers.name, name)).for('update')
  if (!issuer) throw new MusterError('issuer-not-found', `there is no issuer ${name}`)
  if (issuer.kind === 'cross')
    throw new MusterError('conflict', `${name} is a cross certificate: it goes with its root`)
  return issuer
}
