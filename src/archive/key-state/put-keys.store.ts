// Puts keys of a key state into the tables. Each row goes only forwards (live, retired, destroyed; a newer parent
// over an older one), so that a state that is older than the database takes nothing back, and one that is applied
// twice changes nothing. docs/formats/key-state.md "Applying".
import type { OrganisationId } from '../../kernel/ids.ts';
import {
  boolArray,
  byteaArray,
  int4Array,
  int8Array,
  textArray,
  timestamptzArray,
  uuidArray,
} from '../../platform/postgres/binary-arrays.ts';
import { type Queryable, type SqlValue, statement } from '../../platform/postgres/statement.ts';
import type { FieldKind } from '../../vault/formats/key-state-fields.ts';
import {
  type RecordKind,
  recordKinds,
  type RecordOf,
} from '../../vault/formats/key-state-records.ts';

export type KeyKind = Extract<
  RecordKind,
  'generation' | 'organisationKey' | 'custodianKey' | 'slotKey' | 'groupKey' | 'counter' | 'erased'
>;

const rank = (state: string): string =>
  `array_position(ARRAY['live', 'retired', 'destroyed'], ${state})`;
const goesOn = (table: string): string => `${rank(`${table}.state`)} < ${rank('excluded.state')}`;
/** At the same state the key of the newer parent is the one that was moved last. */
const moved = (table: string): string =>
  `(${table}.state = excluded.state AND ${table}.parent_version < excluded.parent_version)`;

const puts: { readonly [K in KeyKind]: string } = {
  // One at a time and in order: only one generation lives at any moment.
  generation: `INSERT INTO public.kek_generation AS t
      (organisation_id, generation, state, kek_label, store_kind, token_class, created_at, retired_at,
       destroying_at, destroyed_at, event_id)
    SELECT $1, u.*, $2 FROM unnest($3::int4[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
       $9::timestamptz[], $10::timestamptz[], $11::timestamptz[]) AS u
    ON CONFLICT (organisation_id, generation) DO UPDATE
       SET state = excluded.state, retired_at = excluded.retired_at, destroying_at = excluded.destroying_at,
           destroyed_at = excluded.destroyed_at, event_id = excluded.event_id
     WHERE ${goesOn('t')} OR (t.destroying_at IS NULL AND excluded.destroying_at IS NOT NULL)`,
  organisationKey: `INSERT INTO public.organisation_key AS t
      (organisation_id, slot, version, generation, key_id, state, wrap, event_id)
    SELECT $1, u.*, $2 FROM unnest($3::text[], $4::int4[], $5::int4[], $6::uuid[], $7::text[], $8::bytea[]) AS u
    ON CONFLICT (organisation_id, slot, version, generation) DO UPDATE
       SET state = excluded.state, wrap = excluded.wrap, event_id = excluded.event_id
     WHERE ${goesOn('t')}`,
  custodianKey: `INSERT INTO public.custodian_key AS t
      (organisation_id, custodian_id, version, generation, key_id, state, wrap, event_id)
    SELECT $1, u.*, $2 FROM unnest($3::uuid[], $4::int4[], $5::int4[], $6::uuid[], $7::text[], $8::bytea[]) AS u
    ON CONFLICT (custodian_id, version, generation) DO UPDATE
       SET state = excluded.state, wrap = excluded.wrap, event_id = excluded.event_id
     WHERE ${goesOn('t')}`,
  slotKey: `INSERT INTO public.custodian_slot_key AS t
      (custodian_id, slot, version, key_id, parent_version, state, wrap, event_id)
    SELECT u.*, $2 FROM unnest($3::uuid[], $4::text[], $5::int4[], $6::uuid[], $7::int4[], $8::text[], $9::bytea[]) AS u
     WHERE $1::uuid IS NOT NULL
    ON CONFLICT (custodian_id, slot, version) DO UPDATE
       SET state = excluded.state, parent_version = excluded.parent_version, wrap = excluded.wrap,
           event_id = excluded.event_id
     WHERE ${goesOn('t')} OR ${moved('t')}`,
  groupKey: `INSERT INTO public.group_key AS t
      (custodian_id, group_no, version, key_id, parent_version, state, marked, retired_at, destroyed_at,
       last_generation, wrap, event_id)
    SELECT u.custodian_id, u.group_no, u.version, u.key_id, u.parent_version, u.state, u.marked, u.retired_at,
           u.destroyed_at, nullif(u.last_generation, 0), u.wrap, $2
      FROM unnest($3::uuid[], $4::int8[], $5::int4[], $6::uuid[], $7::int4[], $8::text[], $9::boolean[],
       $10::timestamptz[], $11::timestamptz[], $12::int4[], $13::bytea[]) AS u
       (custodian_id, group_no, version, key_id, parent_version, state, marked, retired_at, destroyed_at,
        last_generation, wrap)
     WHERE $1::uuid IS NOT NULL
    ON CONFLICT (custodian_id, group_no, version) DO UPDATE
       SET state = excluded.state, parent_version = excluded.parent_version, marked = excluded.marked,
           retired_at = excluded.retired_at, destroyed_at = excluded.destroyed_at,
           last_generation = excluded.last_generation, wrap = excluded.wrap, event_id = excluded.event_id
     WHERE ${goesOn('t')} OR ${moved('t')} OR (t.state = excluded.state AND excluded.marked AND NOT t.marked)`,
  // Numbers that were given out after the database was copied are in pages and groups of this state.
  counter: `INSERT INTO public.custodian_counter AS t (custodian_id, next_record_no)
    SELECT u.* FROM unnest($3::uuid[], $4::int8[]) AS u WHERE $1::uuid IS NOT NULL AND $2::uuid IS NOT NULL
    ON CONFLICT (custodian_id) DO UPDATE SET next_record_no = excluded.next_record_no
     WHERE t.next_record_no < excluded.next_record_no`,
  erased: `INSERT INTO public.erased_record (custodian_id, record_id, group_no, version, executed_at, event_id)
    SELECT u.*, $2 FROM unnest($3::uuid[], $4::uuid[], $5::int8[], $6::int4[], $7::timestamptz[]) AS u
     WHERE $1::uuid IS NOT NULL
    ON CONFLICT (custodian_id, record_id, group_no) DO NOTHING`,
};

const statements = Object.fromEntries(
  (Object.keys(puts) as KeyKind[]).map((kind) => [
    kind,
    statement(`archive.key-state.put-${kind}`, puts[kind]),
  ]),
) as Readonly<Record<KeyKind, ReturnType<typeof statement>>>;

type Values = readonly unknown[];
const arrays: { readonly [K in FieldKind]: (values: Values) => Buffer } = {
  uuid: (values) => uuidArray(values as string[]),
  text: (values) => textArray(values as string[]),
  state: (values) => textArray(values as string[]),
  u32: (values) => int4Array(values as number[]),
  u64: (values) => int8Array(values as number[]),
  time: (values) => timestamptzArray(values as (number | null)[]),
  flag: (values) => boolArray(values as boolean[]),
  wrap: (values) => byteaArray(values as (Uint8Array | null)[]),
  blob: (values) => byteaArray(values as Uint8Array[]),
};

/** Puts rows of one kind, in the transaction of `event`, which names them; how many changed anything. */
export async function putKeys<K extends KeyKind>(
  client: Queryable,
  organisation: OrganisationId,
  kind: K,
  rows: readonly RecordOf<K>[],
  event: string,
): Promise<number> {
  const columns: SqlValue[] = Object.entries<FieldKind>(recordKinds[kind].fields).map(
    ([name, field]) => arrays[field](rows.map((row) => (row as Record<string, unknown>)[name])),
  );
  return statements[kind].run(client, [organisation, event, ...columns]);
}
