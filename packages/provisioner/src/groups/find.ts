import { type Group, MusterError } from '@muster/contracts'
import type { Db, Tx } from '@muster/db'
import { sql } from 'drizzle-orm'

export interface GroupTarget {
  fleet: string
  name: string
}

interface GroupRow extends Record<string, unknown> {
  name: string
  policy: string | null
  devices: number
  connected: number
}

/** A group is there by being used by a device or a claim, or by having been created. */
export async function readGroups(
  db: Db | Tx,
  { fleet, after = '', name, limit }: { fleet: string; after?: string; name?: string; limit: number },
): Promise<Group[]> {
  const { rows } = await db.execute<GroupRow>(sql`
    with named as (
      select name from groups where fleet = ${fleet}
      union select "group" from devices where fleet = ${fleet} and state <> 'retired'
      union select "group" from claims where fleet = ${fleet}
    ), page as (
      select name from named where name > ${after} and name = coalesce(${name ?? null}::text, name) order by name limit ${limit}
    )
    select page.name, g.policy, count(d.id)::int as devices, count(d.node)::int as connected
    from page
      left join groups g on g.fleet = ${fleet} and g.name = page.name
      left join devices d on d.fleet = ${fleet} and d."group" = page.name and d.state <> 'retired'
    group by page.name, g.policy order by page.name`)
  return rows.map(({ name: found, policy, devices, connected }) => ({ name: found, policy, devices, connected }))
}

export async function findGroup(db: Db | Tx, { fleet, name }: GroupTarget): Promise<Group> {
  const [group] = await readGroups(db, { fleet, name, limit: 1 })
  if (!group) throw new MusterError('group-not-found', `fleet ${fleet} has no group ${name}`)
  return group
}
