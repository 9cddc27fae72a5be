// Where reading finds sealed metadata: a record's own cell, or the page that took it. One statement for
// many records, hence one snapshot: a record that is being folded is seen in its cell or in its page.
import type { CustodianId } from '../kernel/ids.ts';
import { int8Array, uuidArray } from '../platform/postgres/binary-arrays.ts';
import { ofSlice, type Slice, slicesOf } from '../platform/postgres/custodian-slices.ts';
import type { Database } from '../platform/postgres/database.ts';
import { statement } from '../platform/postgres/statement.ts';
import { Coalescer } from './coalescer.ts';
import { readLimits } from './record-rows.store.ts';
import type { RecordRef } from './types.ts';

/** What a record's metadata is sealed in. */
export interface SealedMetadata {
  readonly custodian: CustodianId;
  /** Undefined for a cell, which is the record's own. */
  readonly pageId: string | undefined;
  /** The cell or the page. */
  readonly sealed: Buffer;
  readonly wrap: Buffer;
}

// A page comes once, with the places of all records that it was asked for.
const selectMetadata = statement<{
  places: string;
  page_id: string | null;
  sealed: Buffer;
  wrap: Buffer;
}>(
  'archive.metadata.of-records',
  `WITH asked AS MATERIALIZED (
     SELECT * FROM unnest($1::uuid[], $2::int8[], $3::uuid[])
       WITH ORDINALITY AS a (custodian, number, record, place)
   ), paged AS (
     SELECT s.custodian_id, s.page_id, string_agg(asked.place::text, ',') AS places
       FROM asked JOIN metadata_slot s ON s.custodian_id = asked.custodian
        AND s.record_no = asked.number AND s.record_id = asked.record
      WHERE ${ofSlice('s.custodian_id', 4)}
      GROUP BY s.custodian_id, s.page_id
   )
   SELECT asked.place::text AS places, NULL AS page_id, m.cell AS sealed, m.wrap
     FROM asked JOIN metadata_cell m ON m.custodian_id = asked.custodian
      AND m.record_no = asked.number AND m.record_id = asked.record
    WHERE ${ofSlice('m.custodian_id', 4)}
   UNION ALL
   SELECT paged.places, p.page_id::text, p.page, p.wrap
     FROM paged JOIN metadata_page p ON p.custodian_id = paged.custodian_id
      AND p.page_id = paged.page_id
    WHERE ${ofSlice('p.custodian_id', 4)}`,
);

/** Sealed metadata of records, many in one statement; undefined for a record that is not there. */
export function createMetadataRows(db: Database): Coalescer<RecordRef, SealedMetadata | undefined> {
  return new Coalescer(async (refs: readonly RecordRef[]) => {
    const out = new Array<SealedMetadata | undefined>(refs.length).fill(undefined);
    const slices = slicesOf(refs, ({ custodian }) => custodian);
    await Promise.all(slices.map((slice) => readSlice(db, slice, out)));
    return out;
  }, readLimits);
}

async function readSlice(
  db: Database,
  slice: Slice<RecordRef>,
  out: (SealedMetadata | undefined)[],
): Promise<void> {
  const { items } = slice;
  const rows = await selectMetadata.rows(db.pool, [
    uuidArray(items.map(({ custodian }) => custodian)),
    int8Array(items.map(({ recordNo }) => recordNo)),
    uuidArray(items.map(({ recordId }) => recordId)),
    ...slice.custodians,
  ]);
  for (const { places, page_id: pageId, sealed, wrap } of rows) {
    for (const text of places.split(',')) {
      const at = Number(text) - 1;
      const place = slice.places[at];
      const custodian = items[at]?.custodian;
      if (custodian === undefined || place === undefined) continue;
      out[place] = { custodian, pageId: pageId ?? undefined, sealed, wrap };
    }
  }
}
