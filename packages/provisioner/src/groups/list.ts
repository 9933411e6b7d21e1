import { z } from 'zod'
import type { Context } from '../context.ts'
import { requireFleet } from '../fleets/require-fleet.ts'
import { decodeCursor, toPage } from '../http/paging.ts'
import { readGroups } from './find.ts'

interface Query {
  fleet: string
  limit: number
  cursor?: string | undefined
}

/** By name. */
export async function listGroups({ db }: Pick<Context, 'db'>, { fleet, limit, cursor }: Query) {
  const after = decodeCursor(cursor, z.tuple([z.string()]))?.[0] ?? ''
  await requireFleet(db, fleet)
  const rows = await readGroups(db, { fleet, after, limit: limit + 1 })
  return toPage(
    rows,
    limit,
    (group) => group,
    ({ name }) => [name],
  )
}
