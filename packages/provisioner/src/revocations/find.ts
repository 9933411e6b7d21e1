import { MusterError, type Revocation, RevocationReason } from '@muster/contracts'
import { changes, nodes, receipts } from '@muster/db'
import { and, asc, eq, gt, isNull } from 'drizzle-orm'
import type { Context } from '../context.ts'

export async function findRevocation(
  { db, now }: Pick<Context, 'db' | 'now'>,
  { fleet, id }: { fleet: string; id: string },
): Promise<Revocation> {
  const seq = /^[1-9]\d{0,14}$/.test(id) ? Number(id) : 0
  const [change] = await db
    .select()
    .from(changes)
    .where(and(eq(changes.seq, seq), eq(changes.kind, 'revoke'), eq(changes.fleet, fleet)))
  if (!change) throw new MusterError('revocation-not-found', `fleet ${fleet} has no revocation ${id}`)
  // Live nodes first: a node that joins in between has begun with the registry as it is after the revocation.
  const live = await db
    .select({ name: nodes.name })
    .from(nodes)
    .where(and(isNull(nodes.leftAt), gt(nodes.leaseUntil, now())))
  const written = await db.select().from(receipts).where(eq(receipts.change, seq)).orderBy(asc(receipts.node))
  const answered = new Set(written.map(({ node }) => node))
  return {
    revocation: id,
    device: change.device,
    reason: RevocationReason.parse(change.reason),
    at: change.at.toISOString(),
    complete: live.every(({ name }) => answered.has(name)),
    nodes: written.map(({ node, connectionsClosed, sessionPurged, at }) => ({
      node,
      connectionsClosed,
      sessionPurged,
      at: at.toISOString(),
    })),
  }
}
