import { MusterError } from '@muster/contracts'
import type pg from 'pg'
import { isInsufficientPrivilege } from './pg-errors.ts'

export const dbRoles = ['muster_owner', 'muster_provisioner', 'muster_broker'] as const
export type DbRole = (typeof dbRoles)[number]

const hint = 'migrate as muster_owner, which infra/postgres/roles.sql, run once by an administrator, makes ready'

/**
 * Makes sure that the three roles exist and that the owner may create objects, then continues as the owner.
 * Roles belong to the whole server: another database's migration may create them at the same moment.
 */
export async function becomeOwner(client: pg.Client): Promise<void> {
  for (const role of dbRoles) await ensureRole(client, role)
  for (const role of dbRoles) {
    const isMember = await ensureMember(client, role)
    if (role === 'muster_owner' && !isMember) throw refuse('this login is not a member of muster_owner')
  }
  await ensureOwnerMayCreate(client)
  await client.query('set role muster_owner')
}

async function ensureRole(client: pg.Client, role: DbRole): Promise<void> {
  const { rowCount } = await client.query('select from pg_roles where rolname = $1', [role])
  if (rowCount) return
  const create = `do $$ begin
      create role ${role};
    exception when duplicate_object or unique_violation then null;
    end $$`
  if (!(await isPermitted(client, create))) throw refuse(`role ${role} is missing and this login may not create it`)
}

/** From PostgreSQL 16 on, whoever creates a role may grant it, but is not a member by that alone. */
async function ensureMember(client: pg.Client, role: DbRole): Promise<boolean> {
  if (!(await isPermitted(client, `set role ${role}`)))
    return (
      (await isPermitted(client, `grant ${role} to current_user`)) &&
      (await isPermitted(client, `set role ${role}; reset role`))
    )
  await client.query('reset role')
  return true
}

async function ensureOwnerMayCreate(client: pg.Client): Promise<void> {
  const before = await readRights(client)
  if (before.ownsSchema) {
    await client.query('revoke all on schema public from public')
    await client.query('grant usage on schema public to muster_provisioner, muster_broker')
  }
  if (before.isReady) return
  await isPermitted(client, `grant create on database ${before.database} to muster_owner`)
  await isPermitted(client, 'grant usage, create on schema public to muster_owner')
  // PostgreSQL only warns where a grant had no effect.
  if (!(await readRights(client)).isReady)
    throw refuse('muster_owner may not create tables and this login may not allow it')
}

async function readRights(client: pg.Client) {
  const { rows } = await client.query<{ database: string; isReady: boolean; ownsSchema: boolean }>(`
    select quote_ident(current_database()) as database, pg_has_role(nspowner, 'USAGE') as "ownsSchema",
      has_database_privilege('muster_owner', current_database(), 'CREATE')
        and has_schema_privilege('muster_owner', oid, 'CREATE') and has_schema_privilege('muster_broker', oid, 'USAGE')
        and has_schema_privilege('muster_provisioner', oid, 'USAGE') as "isReady"
    from pg_namespace where nspname = 'public'`)
  const [rights] = rows
  if (!rights) throw refuse('it has no schema "public"')
  return rights
}

async function isPermitted(client: pg.Client, statement: string): Promise<boolean> {
  try {
    await client.query(statement)
    return true
  } catch (error) {
    if (isInsufficientPrivilege(error)) return false
    throw error
  }
}

function refuse(problem: string): MusterError {
  return new MusterError('unavailable', `the database cannot be migrated: ${problem}; ${hint}`)
}
