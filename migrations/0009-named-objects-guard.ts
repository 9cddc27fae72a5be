// SQL of migration 0009: the guard "no audit, no commit" also asks whether the event names the row.
// A part of 0009-named-objects.ts, never changed once landed.

/** Pairs (event, object) of this transaction. The copy of event_ids is made once, not at each subscript. */
const namedPairs = `
    SELECT i.event_ids[n.event] AS event_id, n.object
      FROM (SELECT event_ids || '{}'::uuid[] AS event_ids, objects, object_events
              FROM public.audit_inbox WHERE xid = pg_current_xact_id() OFFSET 0) i,
           unnest(i.objects, i.object_events) AS n (object, event)`;

const refusal = `
  IF FOUND THEN
    RAISE EXCEPTION 'no audit, no commit: % on % without an event of this transaction that names the row', TG_OP, TG_TABLE_NAME
      USING ERRCODE = 'PS001', TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NULL;`;

/** As it stands in a text that format() reads. */
const refusalInFormat = refusal.replaceAll('%', '%%');

export const namedGuardSql = `
-- The trigger function for one naming column: made once, with the column in its text, so that its plan
-- is kept. "row": the row's own event_id must name it. "transaction": the row has no event_id, and some
-- event of the transaction must name it. "changed" is what it was in migration 0001.
CREATE FUNCTION public.postseal_named_by(naming name, kind text) RETURNS text LANGUAGE plpgsql AS $make$
DECLARE
  made constant text := format('public.%I()', 'postseal_' || kind || '_event_names_' || naming);
BEGIN
  IF kind NOT IN ('row', 'transaction') THEN
    RAISE EXCEPTION 'a guard goes by the event of the row or of the transaction, not %', kind;
  END IF;
  IF to_regprocedure(made) IS NULL THEN
    EXECUTE format(CASE kind WHEN 'row' THEN $row$
CREATE FUNCTION %1$s RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  nameless uuid;
BEGIN
  SELECT e.object INTO nameless FROM (
    SELECT c.event_id, c.%2$I AS object FROM changed c
    EXCEPT${namedPairs}
  ) e LIMIT 1;${refusalInFormat}
END $body$ $row$ ELSE $transaction$
CREATE FUNCTION %1$s RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  nameless uuid;
BEGIN
  SELECT e.object INTO nameless FROM (
    SELECT c.%2$I AS object FROM changed c
    EXCEPT
    SELECT p.object FROM (${namedPairs}
    ) p WHERE p.event_id IS NOT NULL
  ) e LIMIT 1;${refusalInFormat}
END $body$ $transaction$ END, made, naming);
    EXECUTE format('ALTER FUNCTION %s OWNER TO postseal_audit_owner', made);
  END IF;
  RETURN made;
END $make$;

-- Guards a table and each of its partitions. inserted_by is the column whose value the event of an
-- INSERT names, changed_by that of an UPDATE or DELETE. kind as above.
CREATE FUNCTION public.postseal_guard(target regclass, inserted_by name, changed_by name, kind text DEFAULT 'row')
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  part regclass;
  wanted name;
  insert_fn constant text := public.postseal_named_by(inserted_by, kind);
  change_fn constant text := public.postseal_named_by(changed_by, kind);
BEGIN
  FOREACH wanted IN ARRAY ARRAY[inserted_by, changed_by] || CASE kind WHEN 'row' THEN ARRAY['event_id'::name] END LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = target AND attname = wanted
                      AND atttypid = 'uuid'::regtype AND attnotnull AND NOT attisdropped) THEN
      RAISE EXCEPTION 'a table guarded like this needs % uuid NOT NULL: %', wanted, target;
    END IF;
  END LOOP;
  FOR part IN SELECT target UNION SELECT relid FROM pg_catalog.pg_partition_tree(target) LOOP
    EXECUTE format('CREATE OR REPLACE TRIGGER postseal_guard_insert AFTER INSERT ON %s REFERENCING NEW TABLE AS changed
                    FOR EACH STATEMENT EXECUTE FUNCTION %s', part, insert_fn);
    EXECUTE format('CREATE OR REPLACE TRIGGER postseal_guard_update AFTER UPDATE ON %s REFERENCING NEW TABLE AS changed
                    FOR EACH STATEMENT EXECUTE FUNCTION %s', part, change_fn);
    EXECUTE format('CREATE OR REPLACE TRIGGER postseal_guard_delete AFTER DELETE ON %s REFERENCING OLD TABLE AS changed
                    FOR EACH STATEMENT EXECUTE FUNCTION %s', part, change_fn);
    EXECUTE format('CREATE OR REPLACE TRIGGER postseal_guard_truncate BEFORE TRUNCATE ON %s
                    FOR EACH STATEMENT EXECUTE FUNCTION public.postseal_deny()', part);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER postseal_guard_insert, ENABLE ALWAYS TRIGGER postseal_guard_update,
                    ENABLE ALWAYS TRIGGER postseal_guard_delete, ENABLE ALWAYS TRIGGER postseal_guard_truncate', part);
  END LOOP;
END $$;

-- The holder of a content changes when the custodian who held it lets go, and that one is who the event
-- names. No nested loop: a plan made for one row must not be kept for thousands.
CREATE FUNCTION public.postseal_row_event_names_old_holder() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
  nameless uuid;
BEGIN
  SELECT e.object INTO nameless FROM (
    SELECT c.event_id, b.holder_id AS object FROM changed c LEFT JOIN before b USING (dedup_domain, content_id)
    EXCEPT${namedPairs}
  ) e LIMIT 1;${refusal}
END $$;

ALTER FUNCTION public.postseal_named_by(name, text) OWNER TO postseal_audit_owner;
ALTER FUNCTION public.postseal_guard(regclass, name, name, text) OWNER TO postseal_audit_owner;
ALTER FUNCTION public.postseal_row_event_names_old_holder() OWNER TO postseal_audit_owner;
`;
