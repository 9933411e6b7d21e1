import { platformFleet } from '@muster/contracts'
import { type Db, fleets, issuers, recordAudit, type Tx } from '@muster/db'
import { and, eq } from 'drizzle-orm'
import type { Config } from '../config.ts'
import type { CaStore } from '../issuers/ca-store.ts'
import { lockIssuers } from '../issuers/lock.ts'
import { recordIssuer } from '../issuers/record.ts'
import { ensureOperatorToken } from '../operators/ensure-token.ts'

const firstIssuer = 'issuing-1'

/** What a registry must have before it can serve; one process at a time, each finding what the first has made. */
export async function prepareRegistry(
  db: Db,
  store: CaStore,
  { node, data }: Pick<Config, 'node' | 'data'>,
  at: Date,
): Promise<void> {
  await db.transaction(async (tx) => {
    await lockIssuers(tx)
    for (const name of ['default', platformFleet]) await ensureFleet(tx, name, node, at)
    await ensureIssuer(tx, store, node, at)
    await ensureOperatorToken(tx, data, node, at)
  })
}

/** The active issuer of the registry has to be in the data directory; a registry that has none gets the directory's. */
async function ensureIssuer(tx: Tx, store: CaStore, actor: string, at: Date): Promise<void> {
  const [active] = await tx
    .select()
    .from(issuers)
    .where(and(eq(issuers.kind, 'issuing'), eq(issuers.state, 'active')))
  if (active) return void (await store.open(active))
  const { root, issuer } = await store.createIssuer(firstIssuer, 'root')
  const entries = [
    { name: 'root', kind: 'root' as const, certificate: root },
    { name: issuer.name, kind: 'issuing' as const, certificate: issuer.certificate },
    // A foreign CA may have others between it and its root.
    ...issuer.chain.slice(1).map((certificate, index) => ({
      ...{ name: `${issuer.name}-above-${index + 1}`, kind: 'cross' as const, certificate },
    })),
  ]
  for (const entry of entries)
    await recordIssuer(tx, { ...entry, state: 'active' }, { actor, action: 'issuer.create', at })
}

async function ensureFleet(tx: Tx, name: string, actor: string, at: Date): Promise<void> {
  const created = await tx.insert(fleets).values({ name, createdAt: at }).onConflictDoNothing().returning()
  if (created.length > 0) await recordAudit(tx, { actor, action: 'fleet.create', fleet: name, subject: name, at })
}
