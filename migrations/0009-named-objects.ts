// Ledger: the event of a guarded row must name the row (docs/formats/ledger.md "Inbox", ADR 12). An
// inbox row says which objects its events name; triggers compare rows with that, and the sequencer
// compares it with the leaves. Cells, pages and slots of metadata come under the guard too.
// Never changed once landed.
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { namedGuardSql } from './0009-named-objects-guard.ts';

/** Event object_events[k], counted from 1 in event_ids, names objects[k]: in the order of the leaves. */
const columns = `
SET LOCAL ROLE postseal_audit_owner;
ALTER TABLE public.audit_inbox ADD COLUMN objects uuid[], ADD COLUMN object_events int4[];
ALTER TABLE public.audit_inbox DISABLE TRIGGER postseal_inbox_fixed;
-- What an earlier version left there was written without the columns. A body that is no leaf names
-- nothing; the sequencer stops at it as before.
DO $$
DECLARE
  waiting record;
BEGIN
  FOR waiting IN SELECT id, bodies FROM public.audit_inbox LOOP
    BEGIN
      UPDATE public.audit_inbox i
         SET (objects, object_events) = (
           SELECT coalesce(array_agg(o.id::uuid ORDER BY b.n, o.n), '{}'), coalesce(array_agg(b.n::int4 ORDER BY b.n, o.n), '{}')
             FROM unnest(waiting.bodies) WITH ORDINALITY AS b (body, n),
                  LATERAL (SELECT value ->> 'id' AS id, ordinality AS n
                             FROM json_array_elements(convert_from(b.body, 'UTF8')::json -> 'obj') WITH ORDINALITY) AS o
            WHERE o.id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')
       WHERE i.id = waiting.id;
    EXCEPTION WHEN data_exception THEN
      UPDATE public.audit_inbox SET objects = '{}', object_events = '{}' WHERE id = waiting.id;
    END;
  END LOOP;
END $$;
ALTER TABLE public.audit_inbox ENABLE ALWAYS TRIGGER postseal_inbox_fixed;
ALTER TABLE public.audit_inbox
  ALTER COLUMN objects SET NOT NULL, ALTER COLUMN object_events SET NOT NULL,
  ALTER COLUMN objects SET STORAGE EXTERNAL, ALTER COLUMN object_events SET STORAGE EXTERNAL,
  ADD CONSTRAINT audit_inbox_objects CHECK (cardinality(objects) = cardinality(object_events)),
  -- An array may be counted from another number than 1, and object_events would then mean other events.
  ADD CONSTRAINT audit_inbox_from_one CHECK (array_ndims(event_ids) = 1 AND array_lower(event_ids, 1) = 1);
GRANT INSERT (objects, object_events) ON public.audit_inbox TO postseal_writer, postseal_sequencer;
RESET ROLE;
`;

/** Column that the event of an INSERT names, and that of an UPDATE or DELETE. */
const byTheirEvent: readonly (readonly [table: string, insert: string, change: string])[] = [
  ['organisation', 'organisation_id', 'organisation_id'],
  ['custodian', 'custodian_id', 'custodian_id'],
  // Never by content_id: a leaf that named it would tell for ever who had the same message.
  ['content', 'holder_id', 'holder_id'],
  ['content_wrap', 'custodian_id', 'custodian_id'],
  ['record', 'record_id', 'record_id'],
  ['account', 'account_id', 'account_id'],
  ['address', 'account_id', 'account_id'],
  ['mailbox', 'mailbox_id', 'mailbox_id'],
  ['message', 'mailbox_id', 'mailbox_id'],
  ['message_history', 'mailbox_id', 'mailbox_id'],
  ['person', 'person_id', 'person_id'],
  ['role_assignment', 'person_id', 'person_id'],
  ['credential', 'owner_id', 'owner_id'],
  ['approval', 'approval_id', 'approval_id'],
  ['import_item', 'record_id', 'record_id'],
  ['kek_generation', 'organisation_id', 'organisation_id'],
  ['organisation_key', 'key_id', 'key_id'],
  ['custodian_key', 'key_id', 'key_id'],
  ['custodian_slot_key', 'key_id', 'key_id'],
  // A shred marks groups, and names whose they are.
  ['group_key', 'key_id', 'custodian_id'],
];

/** These rows have no event_id; a fold and a shred name the custodian. */
const byTheTransaction: typeof byTheirEvent = [
  ['metadata_cell', 'record_id', 'custodian_id'],
  ['metadata_page', 'custodian_id', 'custodian_id'],
  ['metadata_slot', 'custodian_id', 'custodian_id'],
];

const contentChange = `
CREATE OR REPLACE TRIGGER postseal_guard_update AFTER UPDATE ON public.content
  REFERENCING OLD TABLE AS before NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION public.postseal_row_event_names_old_holder();
ALTER TABLE public.content ENABLE ALWAYS TRIGGER postseal_guard_update;
`;

const dropOld = `
SET LOCAL ROLE postseal_audit_owner;
DROP FUNCTION public.postseal_guard(regclass);
DROP FUNCTION public.postseal_require_event();
RESET ROLE;
`;

export class NamedObjects1763942400009 implements MigrationInterface {
  readonly name = 'NamedObjects1763942400009';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(columns);
    await runner.query(namedGuardSql);
    for (const [rows, kind] of [
      [byTheirEvent, 'row'],
      [byTheTransaction, 'transaction'],
    ] as const) {
      for (const [table, insert, change] of rows) {
        await runner.query('SELECT public.postseal_guard($1::regclass, $2, $3, $4)', [
          `public.${table}`,
          insert,
          change,
          kind,
        ]);
      }
    }
    await runner.query(contentChange);
    await runner.query(dropOld);
  }

  down(): Promise<void> {
    // A guard is never taken back.
    return Promise.reject(new Error('the guard has no way back'));
  }
}
