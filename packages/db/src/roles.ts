import { MusterError } from '@muster/contracts'
import type pg from 'pg'
import { isInsufficientPrivilege } from './pg-errors.ts'

export const dbRoles = ['muster_owner', 'muster_provisioner', 'muster_broker'] as const
export type DbRole = (typeof dbRoles)[number]

const hint = 'an administrator must run infra/postgres/roles.sql once'

/**
 * Makes sure that the three roles exist and that the owner may create objects, then continues as the owner.
 * Roles belong to the whole server: another database's migration may create them at the same moment.
 */
export async function becomeOwner(client: pg.Client): Promise<void> {
  for (const role of dbRoles) await ensureRole(client, role)
  await requireSetRole(client, 'muster_owner')
  await ensureOwnerMayCreate(client)
  await client.query('set role muster_owner')
}

async function ensureRole(client: pg.Client, role: DbRole): Promise<void> {
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role])
  if (rowCount) return
  await permitted(`role ${role} is missing and this login may not create it`, () =>
    client.query(`do $$ begin
      create role ${role};
    exception when duplicate_object or unique_violation then null;
    end $$`),
  )
}

async function requireSetRole(client: pg.Client, role: DbRole): Promise<void> {
  try {
    await client.query(`set role ${role}`)
    await client.query('reset role')
  } catch (error) {
    if (!isInsufficientPrivilege(error)) throw error
    // From PostgreSQL 16 on, whoever creates a role may grant it, but is not a member by that alone.
    await permitted(`this login is not a member of ${role}`, () => client.query(`grant ${role} to current_user`))
  }
}

async function ensureOwnerMayCreate(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ database: string; ready: boolean; owns: boolean }>(`
    select quote_ident(current_database()) as database,
      has_database_privilege('muster_owner', current_database(), 'CREATE')
        and has_schema_privilege('muster_owner', 'public', 'CREATE') as ready,
      pg_has_role(nspowner, 'USAGE') as owns
    from pg_namespace where nspname = 'public'`)
  const [state] = rows
  if (!state?.ready) {
    await permitted('muster_owner may not create tables and this login may not allow it', async () => {
      await client.query(`grant create on database ${state?.database} to muster_owner`)
      await client.query('grant usage, create on schema public to muster_owner')
    })
  }
  if (state?.owns) {
    await client.query('revoke all on schema public from public')
    await client.query('grant usage on schema public to muster_provisioner, muster_broker')
  }
}

async function permitted<T>(problem: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (!isInsufficientPrivilege(cause)) throw cause
    throw new MusterError('unavailable', `the database cannot be migrated: ${problem}; ${hint}`, { cause })
  }
}
