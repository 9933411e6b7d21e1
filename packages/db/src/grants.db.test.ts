import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openDb } from './open.ts'
import { isInsufficientPrivilege } from './pg-errors.ts'
import type { DbRole } from './roles.ts'
import { openTestDb, type TestDb } from './testing.ts'

let registry: TestDb
beforeAll(async () => {
  registry = await openTestDb()
})
afterAll(() => registry[Symbol.asyncDispose]())

const owner = 'select insert update delete truncate references trigger'

/** Everything each role may do; a table that is missing here fails the test, whatever its grants. */
const expected: Record<string, Record<Exclude<DbRole, 'muster_owner'>, string>> = {
  audit: { muster_provisioner: 'select insert', muster_broker: '' },
  certificates: {
    muster_provisioner: 'select insert update(revocation_reason,revoked_at,state)',
    muster_broker: 'select',
  },
  changes: { muster_provisioner: 'select insert', muster_broker: 'select' },
  claim_keys: { muster_provisioner: 'select insert', muster_broker: '' },
  claims: { muster_provisioner: 'select insert update', muster_broker: '' },
  crls: { muster_provisioner: 'select insert update', muster_broker: '' },
  devices: {
    muster_provisioner: 'select insert update',
    muster_broker: 'select update(connected_at,node,seen_at,session_ends_at)',
  },
  fleets: { muster_provisioner: 'select insert update(late_renewal_days,on_clone,policy)', muster_broker: 'select' },
  groups: { muster_provisioner: 'select insert update(policy)', muster_broker: 'select' },
  issuer_trust: { muster_provisioner: 'select', muster_broker: 'select insert' },
  issuers: { muster_provisioner: 'select insert update(state,state_at)', muster_broker: 'select' },
  node_mail: { muster_provisioner: '', muster_broker: 'select insert delete' },
  nodes: { muster_provisioner: 'select', muster_broker: 'select insert update(lease_until,left_at,started_at)' },
  operator_tokens: { muster_provisioner: 'select insert update', muster_broker: '' },
  policies: { muster_provisioner: 'select insert update delete', muster_broker: 'select' },
  policy_versions: { muster_provisioner: 'select insert', muster_broker: '' },
  preview_answers: { muster_provisioner: 'select', muster_broker: 'select insert' },
  previews: { muster_provisioner: 'select insert delete', muster_broker: 'select' },
  receipts: { muster_provisioner: 'select', muster_broker: 'select insert' },
  refusal_writers: { muster_provisioner: 'select(at) delete', muster_broker: '' },
  refusals: { muster_provisioner: 'select delete', muster_broker: '' },
  renewal_requests: {
    muster_provisioner: 'select update(answer,answered_at) delete',
    muster_broker: 'select insert',
  },
  renewal_windows: { muster_provisioner: 'select insert delete', muster_broker: '' },
  responders: { muster_provisioner: 'select insert', muster_broker: '' },
  telemetry: { muster_provisioner: 'select', muster_broker: 'insert' },
  ticket_keys: { muster_provisioner: '', muster_broker: 'select insert update delete' },
  ticket_members: { muster_provisioner: '', muster_broker: 'select insert update delete' },
  ticket_shares: { muster_provisioner: '', muster_broker: 'select insert update delete' },
}

/** One text per role and table: privileges on the whole table, or with the columns they are limited to. */
const readGrants = sql`
  with granted as (
    select role, c.oid, c.relname as name, privilege, n as position,
      has_table_privilege(role, c.oid, privilege) as whole,
      (select string_agg(attname, ',' order by attname) from pg_attribute
        where attrelid = c.oid and attnum > 0 and not attisdropped
          and privilege in ('select', 'insert', 'update', 'references')
          and has_column_privilege(role, c.oid, attnum, privilege)) as columns
    from pg_class c, unnest(array['muster_owner', 'muster_provisioner', 'muster_broker']) role,
      unnest(string_to_array(${owner}, ' ')) with ordinality as p(privilege, n)
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm'))
  select role, name, coalesce(string_agg(case when whole then privilege else privilege || '(' || columns || ')' end,
    ' ' order by position) filter (where whole or columns is not null), '') as privileges
  from granted group by role, name`

test('every role has what it needs on every table, and nothing else', async () => {
  const { rows } = await registry.db.execute<{ role: string; name: string; privileges: string }>(readGrants)
  const actual: Record<string, Record<string, string>> = {}
  for (const { role, name, privileges } of rows) actual[name] = { ...actual[name], [role]: privileges }
  expect(actual).toEqual(
    Object.fromEntries(Object.entries(expected).map(([name, roles]) => [name, { muster_owner: owner, ...roles }])),
  )
})

test('PUBLIC has nothing: not the schema, not a table', async () => {
  const { rows } = await registry.db.execute(sql`
    select 'schema' as what from pg_namespace, aclexplode(nspacl) acl where nspname = 'public' and acl.grantee = 0
    union all select relname from pg_class, aclexplode(relacl) acl
      where relnamespace = 'public'::regnamespace and acl.grantee = 0`)
  expect(rows).toEqual([])
})

const denied: Record<string, Partial<Record<DbRole, string[]>>> = {
  'the audit log cannot be rewritten': {
    muster_provisioner: [`update audit set actor = 'x'`, 'delete from audit', 'truncate audit'],
    muster_broker: [`insert into audit (at, actor, action, fleet, subject) values (now(), 'x', 'x', 'x', 'x')`],
  },
  'a broker cannot make or change who is admitted': {
    muster_broker: [
      `insert into devices select * from devices`,
      `update devices set state = 'active'`,
      `insert into certificates select * from certificates`,
      `update certificates set state = 'active'`,
      'delete from changes',
    ],
  },
  'a broker cannot read secrets, telemetry or why others were refused': {
    muster_broker: [
      'select id from claims',
      'select claim from claim_keys',
      'select secret_hash from operator_tokens',
      'select payload from telemetry',
      'select detail from refusals',
      'select bound_refusals($$[]$$)',
      'select writer from refusal_writers',
    ],
  },
  'what was issued and received stays': {
    muster_provisioner: [
      `update certificates set der = ''`,
      'delete from certificates',
      'delete from telemetry',
      `insert into receipts values (1, 'n', 0, true, now())`,
      'delete from receipts',
    ],
    muster_broker: ['delete from telemetry', 'update receipts set at = now()', 'delete from nodes'],
  },
  'the schema is the owner’s': {
    muster_provisioner: [
      'create table x ()',
      'drop table audit',
      'alter table audit add x text',
      'set role muster_owner',
    ],
    muster_broker: ['create table x ()', 'set role muster_provisioner', 'select * from drizzle.__drizzle_migrations'],
  },
}

for (const [what, roles] of Object.entries(denied))
  for (const [role, statements] of Object.entries(roles) as [DbRole, string[]][])
    test(`${what} (${role})`, async () => {
      await using db = await openDb({ url: registry.as(role), role })
      for (const statement of statements) {
        const error = await db.execute(sql.raw(statement)).catch((error: unknown) => error)
        expect.soft(isInsufficientPrivilege(error), statement).toBe(true)
      }
    })

test('a broker can do its work', async () => {
  await using db = await openDb({ url: registry.as('muster_broker'), role: 'muster_broker' })
  for (const statement of [
    `insert into nodes values ('n', now(), now() + interval '60 s')`,
    `update nodes set lease_until = now() + interval '60 s', left_at = null where name = 'n'`,
    `insert into telemetry (fleet, device, topic, payload, qos, received_at) values ('f', 'd', 't', '', 1, now())`,
    `update devices set node = 'n', connected_at = now(), seen_at = now() where fleet = 'f' and id = 'd'`,
    `select c.seq from changes c where not exists (select from receipts r where r.change = c.seq and r.node = 'n')`,
    `insert into receipts (change, node, connections_closed, session_purged, at)
      select seq, 'n', 1, true, now() from changes on conflict do nothing`,
    `insert into preview_answers select id, 'n', '{}' from previews on conflict do nothing`,
    `select 1 from certificates join devices on devices.fleet = certificates.fleet and devices.id = certificates.device
      left join groups on groups.fleet = devices.fleet and groups.name = devices.group
      left join policies on policies.fleet = devices.fleet and policies.name = devices.policy`,
    'select der from issuers',
    'listen muster_changes',
  ])
    await db.execute(sql.raw(statement))
})
