// SQL of migration 0001: roles and grants. A part of 0001-ledger.ts, never changed once landed.
// The login of the server may write the inbox and read; only connections that take the role of the
// sequencer may move events into the log; nobody at run time is the owner. What this cannot do: a
// superuser, or a login that may grant itself the owner's role, gets past it; that is what the tree,
// the signer and the witnesses are for.

export const ledgerRolesSql = `
DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['postseal_audit_owner', 'postseal_writer', 'postseal_sequencer', 'postseal_auditor', 'postseal_pruner'] LOOP
    BEGIN
      IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
        EXECUTE format('CREATE ROLE %I NOLOGIN', role);
      END IF;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- another database of this cluster was migrated at the same moment
    END;
  END LOOP;
END $$;

DO $$
DECLARE
  -- Since 16 a membership can be one that must be asked for with SET ROLE; before, it always applies.
  modern constant boolean := current_setting('server_version_num')::int >= 160000;
  asked constant text := CASE WHEN modern THEN ' WITH INHERIT FALSE, SET TRUE' ELSE '' END;
  kind constant text := CASE WHEN modern THEN 'SET' ELSE 'MEMBER' END;
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['postseal_writer', 'postseal_auditor'] LOOP
    IF NOT pg_catalog.pg_has_role(current_user, role, 'USAGE') THEN
      EXECUTE format('GRANT %I TO %I', role, current_user);
    END IF;
  END LOOP;
  FOREACH role IN ARRAY ARRAY['postseal_sequencer', 'postseal_audit_owner'] LOOP
    IF NOT pg_catalog.pg_has_role(current_user, role, kind) THEN
      EXECUTE format('GRANT %I TO %I', role, current_user) || asked;
    END IF;
  END LOOP;
END $$;

GRANT USAGE, CREATE ON SCHEMA public TO postseal_audit_owner;
GRANT USAGE ON SCHEMA public TO postseal_writer, postseal_sequencer, postseal_auditor, postseal_pruner;

ALTER TABLE public.audit_inbox OWNER TO postseal_audit_owner;
ALTER TABLE public.audit_log OWNER TO postseal_audit_owner;
ALTER TABLE public.audit_head OWNER TO postseal_audit_owner;
ALTER TABLE public.audit_side OWNER TO postseal_audit_owner;
ALTER TABLE public.audit_subject OWNER TO postseal_audit_owner;
ALTER FUNCTION public.postseal_require_event() OWNER TO postseal_audit_owner;
ALTER FUNCTION public.postseal_deny() OWNER TO postseal_audit_owner;
ALTER FUNCTION public.postseal_guard(regclass) OWNER TO postseal_audit_owner;
ALTER FUNCTION public.postseal_append_only(regclass) OWNER TO postseal_audit_owner;
ALTER FUNCTION public.postseal_audit_partition(bigint) OWNER TO postseal_audit_owner;

SET LOCAL ROLE postseal_audit_owner;
-- Only these two columns: xid, id and at are always the database's own.
GRANT INSERT (event_ids, bodies) ON public.audit_inbox TO postseal_writer;
GRANT SELECT ON public.audit_inbox, public.audit_log, public.audit_head TO postseal_writer, postseal_auditor;
GRANT SELECT, INSERT, UPDATE, DELETE ON public.audit_side, public.audit_subject TO postseal_writer;
GRANT SELECT, DELETE ON public.audit_inbox TO postseal_sequencer;
GRANT INSERT (event_ids, bodies) ON public.audit_inbox TO postseal_sequencer;
GRANT SELECT, INSERT ON public.audit_log TO postseal_sequencer;
GRANT SELECT, INSERT, UPDATE ON public.audit_head TO postseal_sequencer;
REVOKE EXECUTE ON FUNCTION public.postseal_audit_partition(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.postseal_audit_partition(bigint) TO postseal_sequencer;

SET LOCAL ROLE postseal_sequencer;
SELECT public.postseal_audit_partition(0);
RESET ROLE;
`;
