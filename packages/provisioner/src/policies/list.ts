import { Policy, type PolicyRecord, presetPolicies } from '@muster/contracts'
import { policies, policyVersions } from '@muster/db'
import { and, asc, desc, eq, lt } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { requireFleet } from '../fleets/require-fleet.ts'
import { decodeCursor, toPage } from '../http/paging.ts'
import { findPolicy, type PolicyTarget, presentVersion } from './find.ts'

interface Page {
  limit: number
  cursor?: string | undefined
}

/** The presets and the fleet's own, by name. */
export async function listPolicies({ db }: Pick<Context, 'db'>, { fleet, limit, cursor }: Page & { fleet: string }) {
  const after = decodeCursor(cursor, z.tuple([z.string()]))?.[0] ?? ''
  await requireFleet(db, fleet)
  const own = await db
    .select({ version: policyVersions })
    .from(policies)
    .innerJoin(
      policyVersions,
      and(
        eq(policyVersions.fleet, policies.fleet),
        eq(policyVersions.name, policies.name),
        eq(policyVersions.version, policies.version),
      ),
    )
    .where(eq(policies.fleet, fleet))
    .orderBy(asc(policies.name))
  const records = new Map<string, PolicyRecord>(own.map(({ version }) => [version.name, presentVersion(version)]))
  for (const document of Object.values(presetPolicies))
    records.set(document.name, { name: document.name, version: null, document, savedBy: null, savedAt: null })
  const rows = [...records.values()].filter(({ name }) => name > after)
  rows.sort((a, b) => (a.name < b.name ? -1 : 1))
  return toPage(
    rows,
    limit,
    (record) => ({ ...record, document: Policy.parse(record.document) }),
    ({ name }) => [name],
  )
}

/** The newest first. */
export async function listVersions({ db }: Pick<Context, 'db'>, target: PolicyTarget, { limit, cursor }: Page) {
  const before = decodeCursor(cursor, z.tuple([z.int()]))
  const rows = await db
    .select()
    .from(policyVersions)
    .where(
      and(
        eq(policyVersions.fleet, target.fleet),
        eq(policyVersions.name, target.name),
        before && lt(policyVersions.version, before[0]),
      ),
    )
    .orderBy(desc(policyVersions.version))
    .limit(limit + 1)
  if (rows.length === 0) await findPolicy(db, target)
  return toPage(rows, limit, presentVersion, ({ version }) => [version])
}
