// SQL of migration 0001: "no audit, no commit" on guarded tables, and append-only for the log itself.
// A part of 0001-ledger.ts, never changed once landed.

export const ledgerGuardSql = `
-- Every changed row must name an event of this very transaction. "changed" is the NEW table of an
-- INSERT or UPDATE and the OLD table of a DELETE: whoever deletes first sets event_id to the event
-- of the deletion, so the row that goes away carries it.
CREATE FUNCTION public.postseal_require_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  orphan uuid;
BEGIN
  SELECT e.event_id INTO orphan FROM (
    SELECT c.event_id FROM changed c
    EXCEPT
    SELECT u.id FROM public.audit_inbox i, unnest(i.event_ids) AS u (id) WHERE i.xid = pg_current_xact_id()
  ) e LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'no audit, no commit: % on % names an event that is not of this transaction', TG_OP, TG_TABLE_NAME
      USING ERRCODE = 'PS001', TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION public.postseal_deny() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% on % is never allowed', TG_OP, TG_TABLE_NAME USING ERRCODE = 'PS002', TABLE = TG_TABLE_NAME;
END $$;

-- Guards a table and each of its partitions (a statement that names a partition fires only the
-- partition's own triggers). ALWAYS: session_replication_role does not switch them off.
CREATE FUNCTION public.postseal_guard(target regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  part regclass;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = target AND attname = 'event_id'
                    AND atttypid = 'uuid'::regtype AND attnotnull AND NOT attisdropped) THEN
    RAISE EXCEPTION 'a guarded table needs event_id uuid NOT NULL: %', target;
  END IF;
  FOR part IN SELECT target UNION SELECT relid FROM pg_catalog.pg_partition_tree(target) LOOP
    EXECUTE format('CREATE OR REPLACE TRIGGER postseal_guard_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS changed
                    FOR EACH STATEMENT EXECUTE FUNCTION public.postseal_require_event()', part);
    EXECUTE format('CREATE OR REPLACE TRIGGER postseal_guard_update AFTER UPDATE ON %s REFERENCING NEW TABLE AS changed
                    FOR EACH STATEMENT EXECUTE FUNCTION public.postseal_require_event()', part);
    EXECUTE format('CREATE OR REPLACE TRIGGER postseal_guard_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS changed
                    FOR EACH STATEMENT EXECUTE FUNCTION public.postseal_require_event()', part);
    EXECUTE format('CREATE OR REPLACE TRIGGER postseal_guard_truncate BEFORE TRUNCATE ON %s
                    FOR EACH STATEMENT EXECUTE FUNCTION public.postseal_deny()', part);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER postseal_guard_insert, ENABLE ALWAYS TRIGGER postseal_guard_update,
                    ENABLE ALWAYS TRIGGER postseal_guard_delete, ENABLE ALWAYS TRIGGER postseal_guard_truncate', part);
  END LOOP;
END $$;

CREATE FUNCTION public.postseal_append_only(target regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE OR REPLACE TRIGGER postseal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s
                  FOR EACH STATEMENT EXECUTE FUNCTION public.postseal_deny()', target);
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER postseal_append_only', target);
END $$;
SELECT public.postseal_append_only('public.audit_log');

CREATE TRIGGER postseal_inbox_fixed BEFORE UPDATE OR TRUNCATE ON public.audit_inbox
  FOR EACH STATEMENT EXECUTE FUNCTION public.postseal_deny();
ALTER TABLE public.audit_inbox ENABLE ALWAYS TRIGGER postseal_inbox_fixed;
CREATE TRIGGER postseal_head_stays BEFORE DELETE OR TRUNCATE ON public.audit_head
  FOR EACH STATEMENT EXECUTE FUNCTION public.postseal_deny();
ALTER TABLE public.audit_head ENABLE ALWAYS TRIGGER postseal_head_stays;

-- Makes sure that the partition of 16 x 65,536 rows exists that holds this number. Attached, not
-- created in place, so that readers of the log are not locked out. Answers the first number after it.
CREATE FUNCTION public.postseal_audit_partition(number bigint) RETURNS bigint LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  width constant bigint := 1048576;
  first bigint := (number / width) * width;
  part text := format('audit_log_%s', lpad((number / width)::text, 6, '0'));
BEGIN
  IF number < 0 THEN
    RAISE EXCEPTION 'a number of the log is not negative';
  END IF;
  IF to_regclass('public.' || part) IS NULL THEN
    EXECUTE format('CREATE TABLE public.%I (LIKE public.audit_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING STORAGE)', part);
    EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT %I CHECK (seq >= %s AND seq < %s)', part, part || '_range', first, first + width);
    EXECUTE format('CREATE UNIQUE INDEX %I ON public.%I (event_id)', part || '_event', part);
    EXECUTE format('ALTER TABLE public.audit_log ATTACH PARTITION public.%I FOR VALUES FROM (%s) TO (%s)', part, first, first + width);
    PERFORM public.postseal_append_only(format('public.%I', part)::regclass);
  END IF;
  RETURN first + width;
END $$;
`;
