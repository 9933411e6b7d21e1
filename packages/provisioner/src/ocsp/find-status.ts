import { certificates, type Db, responders } from '@muster/db'
import type { OcspStatus } from '@muster/pki'
import { and, eq, inArray } from 'drizzle-orm'

/** What the registry says of the certificates of one issuer; those it has not issued are missing. */
export async function findStatuses(
  db: Db,
  issuer: string,
  serials: readonly string[],
): Promise<Map<string, OcspStatus>> {
  const { serial, state, revokedAt, revocationReason: reason } = certificates
  const rows = await db
    .select({ serial, state, revokedAt, reason })
    .from(certificates)
    .where(and(eq(certificates.issuer, issuer), inArray(serial, [...serials])))
  const found = new Map<string, OcspStatus>()
  // A superseded certificate has not been revoked: Muster's own brokers refuse it, and its key may be in use still.
  for (const { serial, revokedAt, reason } of rows)
    found.set(serial, revokedAt ? { status: 'revoked', at: revokedAt, ...(reason && { reason }) } : { status: 'good' })
  if (found.size === serials.length) return found
  const own = await db
    .select({ serial: responders.serial })
    .from(responders)
    .where(and(eq(responders.issuer, issuer), inArray(responders.serial, [...serials])))
  for (const { serial } of own) found.set(serial, { status: 'good' })
  return found
}
