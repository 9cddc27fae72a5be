// Rows of key_handout (migration 0012): what was handed out, in the transaction of the leaf that counts it.
import { uuidToBytes } from '../../kernel/ids.ts';
import {
  byteaArray,
  int4Array,
  textArray,
  uuidArray,
} from '../../platform/postgres/binary-arrays.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';

export type HandoutKind = 'opened' | 'moved' | 'wrapped' | 'write';

/** Keys of one kind and owner that have one reason. */
export interface HandoutRow {
  readonly kind: HandoutKind;
  /** Whose keys; the organisation for its own. */
  readonly custodian: string;
  /** Ids of the events that were named as the reason; empty where none is needed. */
  readonly events: readonly string[];
  /** Purpose of the grant. */
  readonly purpose: string | undefined;
  /** Whose it was before, of a moved wrap. */
  readonly from: string | undefined;
  readonly keyKind: string;
  readonly keys: number;
  /** Ids of what the keys open; of opened and moved keys alone. */
  readonly objects: readonly string[];
}

const insertHandouts = statement(
  'vault.handout.insert',
  `INSERT INTO public.key_handout
     (custodian_id, kind, grant_events, purpose, from_id, key_kind, keys, objects, recorded_by)
   SELECT u.custodian, u.kind, coalesce(string_to_array(u.events, ' ')::uuid[], '{}'), u.purpose, u.from_id,
          u.key_kind, u.keys, u.objects, u.recorded_by
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::int4[], $8::bytea[],
       $9::uuid[]) AS u (custodian, kind, events, purpose, from_id, key_kind, keys, objects, recorded_by)`,
);

/** Adds rows, each with the id of the leaf that counts it. */
export async function addHandouts(
  client: Queryable,
  rows: readonly (HandoutRow & { readonly recordedBy: string })[],
): Promise<void> {
  await insertHandouts.run(client, [
    uuidArray(rows.map((row) => row.custodian)),
    textArray(rows.map((row) => row.kind)),
    textArray(rows.map((row) => (row.events.length === 0 ? null : row.events.join(' ')))),
    textArray(rows.map((row) => row.purpose ?? null)),
    uuidArray(rows.map((row) => row.from ?? null)),
    textArray(rows.map((row) => row.keyKind)),
    int4Array(rows.map((row) => row.keys)),
    byteaArray(rows.map((row) => Buffer.concat(row.objects.map(uuidToBytes)))),
    uuidArray(rows.map((row) => row.recordedBy)),
  ]);
}
