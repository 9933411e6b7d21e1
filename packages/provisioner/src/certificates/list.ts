import type { CertificateState } from '@muster/contracts'
import { certificates } from '@muster/db'
import { and, asc, eq, inArray, lt, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { decodeCursor, toPage } from '../http/paging.ts'
import { presentCertificate } from './present.ts'

export interface CertificateFilter {
  fleet?: string | undefined
  issuer?: string | undefined
  /** In use (active or pending) where absent. */
  state?: CertificateState | undefined
  expiresBefore?: string | undefined
}

/** Those that end first come first. */
export async function listCertificates(
  { db }: Pick<Context, 'db'>,
  { fleet, issuer, state, expiresBefore }: CertificateFilter,
  page: { limit: number; cursor?: string | undefined },
) {
  const after = decodeCursor(page.cursor, z.tuple([z.iso.datetime(), z.string()]))
  const rows = await db
    .select()
    .from(certificates)
    .where(
      and(
        fleet === undefined ? undefined : eq(certificates.fleet, fleet),
        issuer === undefined ? undefined : eq(certificates.issuer, issuer),
        inArray(certificates.state, state === undefined ? ['active', 'pending'] : [state]),
        expiresBefore === undefined ? undefined : lt(certificates.notAfter, new Date(expiresBefore)),
        after &&
          sql`(${certificates.notAfter}, ${certificates.serial}) > (${after[0]}::timestamptz, ${after[1]}::text)`,
      ),
    )
    .orderBy(asc(certificates.notAfter), asc(certificates.serial))
    .limit(page.limit + 1)
  return toPage(rows, page.limit, presentCertificate, (row) => [row.notAfter.toISOString(), row.serial])
}
