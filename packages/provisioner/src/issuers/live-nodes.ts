import { type Db, issuerTrust, nodes, type Tx } from '@muster/db'
import { and, asc, eq, gt, isNull, notExists } from 'drizzle-orm'

/** Broker nodes that may hold connections: not left, and their lease has not run out. */
export async function listLiveNodes(db: Db | Tx, at: Date): Promise<string[]> {
  const rows = await db
    .select({ name: nodes.name })
    .from(nodes)
    .where(and(isNull(nodes.leftAt), gt(nodes.leaseUntil, at)))
    .orderBy(asc(nodes.name))
  return rows.map(({ name }) => name)
}

/** Live nodes that have not said that they admit certificates of the issuer. */
export async function listMissingNodes(db: Db | Tx, issuer: string, at: Date): Promise<string[]> {
  const trusts = db
    .select({ node: issuerTrust.node })
    .from(issuerTrust)
    .where(and(eq(issuerTrust.issuer, issuer), eq(issuerTrust.node, nodes.name)))
  const rows = await db
    .select({ name: nodes.name })
    .from(nodes)
    .where(and(isNull(nodes.leftAt), gt(nodes.leaseUntil, at), notExists(trusts)))
    .orderBy(asc(nodes.name))
  return rows.map(({ name }) => name)
}
