import type { RevocationReason } from '@muster/contracts'
import { certificates, type Tx } from '@muster/db'
import type { RevokedCertificate } from '@muster/pki'
import { sql } from 'drizzle-orm'

const pageSize = 10_000

interface Range {
  issuer: string
  /** Revoked at or after; everything where it is absent. */
  since: Date | undefined
  /** Those that ended earlier are left out. */
  endsAfter: Date
}

type Row = { serial: string; revokedMs: number; notAfterMs: number; reason: RevocationReason | null }

/** The revoked certificates of an issuer, in no order; a cursor, because there may be a million. */
export async function* loadRevocations(
  tx: Tx,
  { issuer, since, endsAfter }: Range,
): AsyncGenerator<RevokedCertificate> {
  const { revokedAt, notAfter, revocationReason } = certificates
  await tx.execute(sql`
    declare revocations no scroll cursor for
    select serial, extract(epoch from ${revokedAt})::float8 * 1000 as "revokedMs",
      extract(epoch from ${notAfter})::float8 * 1000 as "notAfterMs", ${revocationReason} as reason
    from ${certificates}
    where ${certificates.issuer} = ${issuer} and state = 'revoked' and ${notAfter} >= ${endsAfter.toISOString()}::timestamptz
      ${since ? sql`and ${revokedAt} >= ${since.toISOString()}::timestamptz` : sql``}`)
  for (;;) {
    const { rows } = await tx.execute<Row>(sql`fetch ${sql.raw(String(pageSize))} from revocations`)
    for (const { serial, revokedMs, notAfterMs, reason } of rows)
      yield { serial, revokedAt: new Date(revokedMs), notAfter: new Date(notAfterMs), ...(reason && { reason }) }
    if (rows.length < pageSize) break
  }
  await tx.execute(sql`close revocations`)
}
