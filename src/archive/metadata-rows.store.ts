// Where reading finds sealed metadata: a record's own cell, or the page that took it. One statement for
// many records, hence one snapshot: a record that is being folded is seen in its cell or in its page.
import type { CustodianId } from '../kernel/ids.ts';
import { int8Array, uuidArray } from '../platform/postgres/binary-arrays.ts';
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
      GROUP BY s.custodian_id, s.page_id
   )
   SELECT asked.place::text AS places, NULL AS page_id, m.cell AS sealed, m.wrap
     FROM asked JOIN metadata_cell m ON m.custodian_id = asked.custodian
      AND m.record_no = asked.number AND m.record_id = asked.record
   UNION ALL
   SELECT paged.places, p.page_id::text, p.page, p.wrap
     FROM paged JOIN metadata_page p ON p.custodian_id = paged.custodian_id
      AND p.page_id = paged.page_id`,
);

/** Sealed metadata of records, many in one statement; undefined for a record that is not there. */
export function createMetadataRows(db: Database): Coalescer<RecordRef, SealedMetadata | undefined> {
  return new Coalescer(async (refs: readonly RecordRef[]) => {
    const rows = await selectMetadata.rows(db.pool, [
      uuidArray(refs.map(({ custodian }) => custodian)),
      int8Array(refs.map(({ recordNo }) => recordNo)),
      uuidArray(refs.map(({ recordId }) => recordId)),
    ]);
    const found = new Map<number, SealedMetadata>();
    for (const { places, page_id: pageId, sealed, wrap } of rows) {
      for (const place of places.split(',')) {
        const at = Number(place) - 1;
        const custodian = refs[at]?.custodian;
        if (custodian === undefined) continue;
        found.set(at, { custodian, pageId: pageId ?? undefined, sealed, wrap });
      }
    }
    return refs.map((_, i) => found.get(i));
  }, readLimits);
}
