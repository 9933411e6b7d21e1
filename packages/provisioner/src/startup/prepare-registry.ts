import type { X509Certificate } from 'node:crypto'
import { MusterError, platformFleet } from '@muster/contracts'
import { type Db, fleets, issuers, recordAudit, type Tx } from '@muster/db'
import { type Ca, certificateFingerprint, openCa } from '@muster/pki'
import { eq, sql } from 'drizzle-orm'
import type { Config } from '../config.ts'
import { ensureOperatorToken } from '../operators/ensure-token.ts'

const lockKey = 0x6d757375

/** What a registry must have before it can serve; one process at a time, each finding what the first has made. */
export async function prepareRegistry(db: Db, config: Config, at: Date): Promise<Ca> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${lockKey})`)
    const ca = await openCa({
      directory: config.caDirectory,
      passphrase: config.caPassphrase,
      now: at,
      trustDomain: config.trustDomain,
    })
    await ensureIssuer(tx, 'root', ca.root, config.node, at)
    for (const certificate of ca.issuer.chain) await ensureIssuer(tx, ca.issuer.name, certificate, config.node, at)
    for (const name of ['default', platformFleet]) await ensureFleet(tx, name, config.node, at)
    await ensureOperatorToken(tx, config.data, config.node, at)
    return ca
  })
}

async function ensureIssuer(
  tx: Tx,
  name: string,
  certificate: X509Certificate,
  actor: string,
  at: Date,
): Promise<void> {
  const fingerprint = certificateFingerprint(certificate.raw)
  const [known] = await tx.select().from(issuers).where(eq(issuers.name, name))
  if (known && known.fingerprint !== fingerprint)
    throw new MusterError(
      'conflict',
      `the registry knows another CA as ${name}: the data directory and the database do not belong together`,
    )
  if (known) return
  await tx.insert(issuers).values({
    name,
    kind: name === 'root' ? 'root' : 'issuing',
    der: certificate.raw,
    fingerprint,
    notAfter: certificate.validToDate,
    createdAt: at,
  })
  await recordAudit(tx, {
    actor,
    action: 'issuer.create',
    fleet: platformFleet,
    subject: name,
    detail: { fingerprint },
    at,
  })
}

async function ensureFleet(tx: Tx, name: string, actor: string, at: Date): Promise<void> {
  const created = await tx.insert(fleets).values({ name, createdAt: at }).onConflictDoNothing().returning()
  if (created.length > 0) await recordAudit(tx, { actor, action: 'fleet.create', fleet: name, subject: name, at })
}
