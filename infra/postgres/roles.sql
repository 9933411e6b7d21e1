-- Run once by an administrator, in Muster's database, on a PostgreSQL that is not the embedded one:
--   psql -v ON_ERROR_STOP=1 -d muster -f roles.sql
-- Safe to run again. Each login is one process' identity; the passwords are taken from the environment
-- (MUSTER_OWNER_PASSWORD, MUSTER_PROVISIONER_PASSWORD, MUSTER_BROKER_PASSWORD) and left alone where it has none.
-- muster_owner migrates and owns every table; the other two get their rights from packages/db/src/grants.sql.
\getenv owner MUSTER_OWNER_PASSWORD
\getenv provisioner MUSTER_PROVISIONER_PASSWORD
\getenv broker MUSTER_BROKER_PASSWORD

select format('create role %I', role)
  from unnest(array['muster_owner', 'muster_provisioner', 'muster_broker']) role
  where not exists (select from pg_roles where rolname = role) \gexec

-- The statement with the password must not reach the server's log.
set log_min_duration_statement = -1;
set log_min_error_statement = panic;
set log_statement = none;
\if :{?owner}
  alter role muster_owner login password :'owner';
\endif
\if :{?provisioner}
  alter role muster_provisioner login password :'provisioner';
\endif
\if :{?broker}
  alter role muster_broker login password :'broker';
\endif

revoke all on schema public from public;
grant usage, create on schema public to muster_owner;
grant usage on schema public to muster_provisioner, muster_broker;
select format('grant connect, create on database %I to muster_owner', current_database()) \gexec
select format('grant connect on database %I to muster_provisioner, muster_broker', current_database()) \gexec
