import { type ChangeReport, MusterError } from '@muster/contracts'
import { changes, nodes, receipts } from '@muster/db'
import { and, asc, eq, gt, isNull, sql } from 'drizzle-orm'
import type { Context } from '../context.ts'

interface Target {
  fleet: string
  id: string
}

/** How far a change is carried out: it is complete when every node that may hold connections has written its receipt. */
export async function findChange({ db }: Pick<Context, 'db'>, { fleet, id }: Target) {
  const seq = /^[1-9]\d{0,14}$/.test(id) ? Number(id) : 0
  const [change] = await db
    .select()
    .from(changes)
    .where(and(eq(changes.seq, seq), eq(changes.fleet, fleet)))
  if (!change) return undefined
  // Live nodes first: a node that joins in between has begun with the registry as it is after the change.
  const live = await db
    .select({ name: nodes.name })
    .from(nodes)
    // By the clock that the lease was written by.
    .where(and(isNull(nodes.leftAt), gt(nodes.leaseUntil, sql`now()`)))
  const written = await db.select().from(receipts).where(eq(receipts.change, seq)).orderBy(asc(receipts.node))
  const answered = new Set(written.map(({ node }) => node))
  return { change, written, complete: live.every(({ name }) => answered.has(name)) }
}

export async function reportChange(ctx: Pick<Context, 'db'>, target: Target): Promise<ChangeReport> {
  const found = await findChange(ctx, target)
  if (!found) throw new MusterError('change-not-found', `fleet ${target.fleet} has no change ${target.id}`)
  const { kind, device, group, policy, at } = found.change
  return {
    change: target.id,
    kind,
    device,
    group,
    policy,
    at: at.toISOString(),
    complete: found.complete,
    nodes: found.written.map(({ change: _, ...receipt }) => ({ ...receipt, at: receipt.at.toISOString() })),
  }
}
