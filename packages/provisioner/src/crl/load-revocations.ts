import { certificates, type Tx } from '@muster/db'
import type { RevokedCertificate } from '@muster/pki'
import { and, asc, eq, gte, sql } from 'drizzle-orm'

const pageSize = 10_000

interface Range {
  issuer: string
  /** Revoked at or after; everything where it is absent. */
  since: Date | undefined
  /** Those that ended earlier are left out. */
  endsAfter: Date
}

/** The revoked certificates of an issuer, a page at a time. */
export async function* loadRevocations(
  tx: Tx,
  { issuer, since, endsAfter }: Range,
): AsyncGenerator<RevokedCertificate> {
  const { serial, revokedAt, revocationReason: reason, notAfter } = certificates
  const isWanted = and(
    ...[eq(certificates.issuer, issuer), eq(certificates.state, 'revoked'), gte(notAfter, endsAfter)],
    since && gte(revokedAt, since),
  )
  let last: { serial: string; at: string } | undefined
  for (;;) {
    const page = await tx
      .select({ serial, revokedAt, reason, notAfter, at: sql<string>`${revokedAt}::text` })
      .from(certificates)
      // With its microseconds: a page must not begin where the one before it ended.
      .where(and(isWanted, last && sql`(${revokedAt}, ${serial}) > (${last.at}::timestamptz, ${last.serial})`))
      .orderBy(asc(revokedAt), asc(serial))
      .limit(pageSize)
    for (const { reason, revokedAt, serial, notAfter } of page)
      if (revokedAt) yield { serial, revokedAt, notAfter, ...(reason && { reason }) }
    last = page.at(-1)
    if (page.length < pageSize) return
  }
}
