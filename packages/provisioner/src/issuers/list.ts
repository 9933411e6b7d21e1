import { type Issuer, MusterError } from '@muster/contracts'
import { certificates, type Db, devices, issuers, issuerTrust, type Tx } from '@muster/db'
import { and, asc, eq, gt, inArray, sql } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { decodeCursor, toPage } from '../http/paging.ts'
import { listLiveNodes } from './live-nodes.ts'
import type { IssuerRow } from './trust.ts'

/** In the order in which they were made. */
export async function listIssuers(
  { db, now }: Pick<Context, 'db' | 'now'>,
  page: { limit: number; cursor?: string | undefined },
) {
  const after = decodeCursor(page.cursor, z.tuple([z.iso.datetime(), z.string()]))
  const rows = await db
    .select()
    .from(issuers)
    .where(after && sql`(${issuers.createdAt}, ${issuers.name}) > (${after[0]}::timestamptz, ${after[1]}::text)`)
    .orderBy(asc(issuers.createdAt), asc(issuers.name))
    .limit(page.limit + 1)
  const present = await createPresent(db, rows, now())
  return toPage(rows, page.limit, present, (row) => [row.createdAt.toISOString(), row.name])
}

export async function findIssuer({ db, now }: Pick<Context, 'db' | 'now'>, name: string): Promise<Issuer> {
  const [row] = await db.select().from(issuers).where(eq(issuers.name, name))
  if (!row) throw new MusterError('issuer-not-found', `there is no issuer ${name}`)
  return (await createPresent(db, [row], now()))(row)
}

export const isLive = (at: Date) =>
  and(inArray(certificates.state, ['active', 'pending']), gt(certificates.notAfter, at))

async function createPresent(db: Db | Tx, rows: readonly IssuerRow[], at: Date): Promise<(row: IssuerRow) => Issuer> {
  const names = rows.map(({ name }) => name)
  const live = await listLiveNodes(db, at)
  const counts = await db
    .select({ issuer: certificates.issuer, count: sql<number>`count(*)::int` })
    .from(certificates)
    .where(and(inArray(certificates.issuer, names), isLive(at)))
    .groupBy(certificates.issuer)
  const trusts = await db
    .select()
    .from(issuerTrust)
    .where(inArray(issuerTrust.issuer, names))
    .orderBy(asc(issuerTrust.node))
  const confirmed = await countConfirmed(db, rows)
  return (row) => {
    const trusted = trusts.filter(({ issuer }) => issuer === row.name)
    const said = new Set(trusted.map(({ node }) => node))
    const { name, kind, state, fingerprint } = row
    return {
      ...{ name, kind, state, fingerprint },
      notAfter: row.notAfter.toISOString(),
      createdAt: row.createdAt.toISOString(),
      certificates: counts.find(({ issuer }) => issuer === name)?.count ?? 0,
      confirmedBy: confirmed.get(fingerprint) ?? 0,
      trustedBy: trusted.map(({ node, at: since }) => ({ node, at: since.toISOString() })),
      missing: state === 'retired' ? [] : live.filter((node) => !said.has(node)),
    }
  }
}

async function countConfirmed(db: Db | Tx, rows: readonly IssuerRow[]): Promise<Map<string, number>> {
  const confirmed = new Map<string, number>()
  for (const { kind, fingerprint } of rows)
    if (kind === 'root')
      confirmed.set(
        fingerprint,
        await db.$count(devices, and(eq(devices.state, 'active'), sql`${fingerprint} = any(${devices.roots})`)),
      )
  return confirmed
}
