import { presetPolicies } from '@muster/contracts'
import { policies } from '@muster/db'
import { asc, eq } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { requireFleet } from '../fleets/require-fleet.ts'
import { decodeCursor, toPage } from '../http/paging.ts'

interface Query {
  fleet: string
  limit: number
  cursor?: string | undefined
}

/** The presets and the fleet's own, by name. */
export async function listPolicies({ db }: Pick<Context, 'db'>, { fleet, limit, cursor }: Query) {
  const after = decodeCursor(cursor, z.tuple([z.string()]))?.[0] ?? ''
  await requireFleet(db, fleet)
  const own = await db.select().from(policies).where(eq(policies.fleet, fleet)).orderBy(asc(policies.name))
  const documents = new Map(own.map((row) => [row.name, row.document]))
  for (const preset of Object.values(presetPolicies)) documents.set(preset.name, preset)
  const rows = [...documents.values()].filter(({ name }) => name > after)
  rows.sort((a, b) => (a.name < b.name ? -1 : 1))
  return toPage(
    rows,
    limit,
    (policy) => policy,
    ({ name }) => [name],
  )
}
