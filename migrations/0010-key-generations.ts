// Vault: what a switch of key generations needs (docs/formats/key-hierarchy.md "Generations"): since when a
// generation or a group key is out of use, and which record was erased under which group key. A wrap under a
// group key that was destroyed is refused, so that no late writer stores what nobody can open.
// Never changed once landed.
import type { MigrationInterface, QueryRunner } from 'typeorm';

const tables = `
ALTER TABLE public.kek_generation
  ADD COLUMN retired_at timestamptz,
  -- Its destruction was approved and begun; what is missing of it is done at the next attempt.
  ADD COLUMN destroying_at timestamptz;
ALTER TABLE public.group_key
  ADD COLUMN retired_at timestamptz,
  ADD COLUMN destroyed_at timestamptz,
  -- The newest generation under which this version could ever be opened; known once it is retired.
  ADD COLUMN last_generation integer;
CREATE INDEX custodian_key_live ON public.custodian_key (generation, custodian_id) WHERE state = 'live';
CREATE INDEX group_key_marked ON public.group_key (custodian_id) WHERE marked AND state = 'live';
CREATE INDEX group_key_retired ON public.group_key (custodian_id, group_no) WHERE state = 'retired';
CREATE INDEX content_wrap_group ON public.content_wrap (custodian_id, group_no);

-- When a record's keys were destroyed, and which version of the group key they hung under: its end in the
-- live system and in every backup follows from group_key and kek_generation.
CREATE TABLE public.erased_record (
  custodian_id uuid NOT NULL,
  record_id uuid NOT NULL,
  group_no bigint NOT NULL,
  version integer NOT NULL,
  executed_at timestamptz NOT NULL DEFAULT now(),
  event_id uuid NOT NULL,
  PRIMARY KEY (custodian_id, record_id, group_no)
);
CREATE INDEX erased_record_executed ON public.erased_record (executed_at, record_id);
SELECT public.postseal_guard('public.erased_record', 'record_id', 'record_id');
`;

/** Bytes 2 to 5 of a wrap are the version of its parent key (docs/formats/wrap.md). */
const parentVersion = `CASE WHEN octet_length(c.wrap) >= 6 THEN
    get_byte(c.wrap, 2)::bigint << 24 | get_byte(c.wrap, 3) << 16 | get_byte(c.wrap, 4) << 8 | get_byte(c.wrap, 5) END`;

/** How the group of a row is found in each table with wraps under group keys. */
const groupOf: Readonly<Record<string, string>> = {
  content_wrap: 'c.group_no',
  metadata_cell: 'c.record_no >> 12',
  metadata_page: 'c.first_no >> 12',
};

// Only inserted rows: a wrap that is moved is compared with the one that was read. OFFSET 0 keeps one look
// by key for each row, whatever the planner believes about the sizes.
const refusal = (table: string, group: string): string => `
CREATE FUNCTION public.postseal_wrap_lives_${table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM changed c, LATERAL (
    SELECT FROM public.group_key g
     WHERE g.custodian_id = c.custodian_id AND g.group_no = ${group}
       AND g.version = ${parentVersion}
       AND g.state = 'destroyed' OFFSET 0) AS dead
   LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'a wrap under a group key that was destroyed: %', TG_TABLE_NAME
      USING ERRCODE = 'PS002', TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER postseal_wrap_lives AFTER INSERT ON public.${table} REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION public.postseal_wrap_lives_${table}();
`;

export class KeyGenerations1763942400010 implements MigrationInterface {
  readonly name = 'KeyGenerations1763942400010';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(tables);
    for (const [table, group] of Object.entries(groupOf)) {
      await runner.query(refusal(table, group));
    }
  }

  down(): Promise<void> {
    // The dates of erasures are evidence.
    return Promise.reject(new Error('key generations have no way back'));
  }
}
