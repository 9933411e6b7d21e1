-- Who may do what. Default deny: everything is taken away, then given back table by table.
-- Applied as muster_owner after the migrations, whenever they or this file have changed.
alter default privileges revoke execute on functions from public;
revoke all on all tables in schema public from public, muster_provisioner, muster_broker;

-- Nobody but the owner can change or delete an audit entry.
grant select, insert on audit to muster_provisioner;
grant select, insert on fleets, issuers, claim_keys, changes to muster_provisioner;
grant select, insert, update on devices, claims, operator_tokens to muster_provisioner;
grant select, insert, update, delete on policies to muster_provisioner;
-- What was in force once stays on record.
grant select, insert on policy_versions to muster_provisioner;
grant select, insert, update (policy) on groups to muster_provisioner;
grant select, insert, delete on previews to muster_provisioner;
grant select on preview_answers to muster_provisioner;
-- What was issued stays as it was issued.
grant select, insert, update (state, revoked_at, revocation_reason) on certificates to muster_provisioner;
grant select on telemetry, receipts, nodes, issuer_trust to muster_provisioner;
grant update (state, state_at) on issuers to muster_provisioner;
grant update (late_renewal_days, policy, on_clone) on fleets to muster_provisioner;
grant select, insert, update on crls to muster_provisioner;
-- As with certificates: nothing that was signed is forgotten.
grant select, insert on responders to muster_provisioner;
grant select, insert, delete on renewal_windows to muster_provisioner;
grant select, update (answer, answered_at), delete on renewal_requests to muster_provisioner;

grant select on fleets, devices, certificates, policies, groups, issuers, changes, receipts, nodes to muster_broker;
grant select on previews to muster_broker;
grant select, insert on preview_answers to muster_broker;
grant update (node, connected_at, seen_at, session_ends_at) on devices to muster_broker;
grant insert on telemetry, receipts to muster_broker;
grant select, insert on issuer_trust to muster_broker;
grant select, insert on renewal_requests to muster_broker;
-- What is in them is sealed; the provisioner has no business there.
grant select, insert, update, delete on ticket_members, ticket_keys, ticket_shares to muster_broker;
-- Between brokers; nothing in it is true because it is there.
grant select, insert, delete on node_mail to muster_broker;
revoke all on function promote_certificate from public;
grant execute on function promote_certificate to muster_broker;
grant insert, update (started_at, lease_until, left_at) on nodes to muster_broker;
-- What was refused is recorded in one way, which bounds it; the broker reads none of it.
grant select, delete on refusals to muster_provisioner;
grant select (at), delete on refusal_writers to muster_provisioner;
revoke all on function record_refusals, record_refusals_once, bound_refusals, suspend_cloned from public;
grant execute on function record_refusals to muster_provisioner, muster_broker;
grant execute on function record_refusals_once to muster_broker;
grant execute on function suspend_cloned to muster_broker;
