-- Who may do what. Default deny: everything is taken away, then given back table by table.
-- Applied as muster_owner after the migrations, whenever they or this file have changed.
alter default privileges revoke execute on functions from public;
revoke all on all tables in schema public from public, muster_provisioner, muster_broker;

-- Nobody but the owner can change or delete an audit entry.
grant select, insert on audit to muster_provisioner;
grant select, insert on fleets, issuers, claim_keys, changes to muster_provisioner;
grant select, insert, update on devices, claims, operator_tokens, refusals to muster_provisioner;
grant select, insert, update, delete on policies to muster_provisioner;
-- What was issued stays as it was issued.
grant select, insert, update (state, revoked_at, revocation_reason) on certificates to muster_provisioner;
grant select on telemetry, receipts, nodes to muster_provisioner;

grant select on fleets, devices, certificates, policies, issuers, changes, receipts, nodes to muster_broker;
grant update (node, connected_at, seen_at) on devices to muster_broker;
grant insert on telemetry, receipts to muster_broker;
grant insert, update (started_at, lease_until, left_at) on nodes to muster_broker;
-- ON CONFLICT reads the key; the rest of a refusal is not for the broker to read.
grant insert, select (fleet, device, code, address, count, alert), update (count, last_at, detail, alert)
  on refusals to muster_broker;
