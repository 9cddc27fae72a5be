// Rows of a page: the page itself and, for each of its records, the slot that says where its metadata is.
import type { RecordId, RecordNo } from '../kernel/ids.ts';
import { int8Array, uuidArray } from '../platform/postgres/binary-arrays.ts';
import { type Queryable, statement } from '../platform/postgres/statement.ts';
import type { NewPage } from './new-page.ts';
import { pageRowDigest } from './row-digest.ts';
import type { RecordRef } from './types.ts';

const insertPageRow = statement(
  'archive.page.insert',
  `INSERT INTO metadata_page (custodian_id, page_id, first_no, last_no, page, wrap, digest)
   VALUES ($1, $2, $3, $4, $5, $6, $7)`,
);
const insertSlotRows = statement(
  'archive.slot.insert',
  `INSERT INTO metadata_slot (custodian_id, page_id, record_no, record_id)
   SELECT $1::uuid, $2::uuid, * FROM unnest($3::int8[], $4::uuid[])`,
);
const deletePageRow = statement(
  'archive.page.delete',
  'DELETE FROM metadata_page WHERE custodian_id = $1 AND page_id = $2',
);
const deleteSlotRow = statement(
  'archive.slot.delete',
  `DELETE FROM metadata_slot
    WHERE custodian_id = $1 AND record_no = $2 AND record_id = $3 AND page_id = $4`,
);
const moveSlotRows = statement(
  'archive.slot.move',
  `UPDATE metadata_slot SET page_id = $3
    WHERE custodian_id = $1 AND record_no = ANY ($4::int8[]) AND page_id = $2`,
);
// One statement, hence one snapshot: a fold is seen whole or not at all.
const selectPlace = statement<{
  cell: boolean;
  page_id: string | null;
  page: Buffer | null;
  wrap: Buffer | null;
  numbers: string[] | null;
  ids: string[] | null;
}>(
  'archive.page.of-record',
  `SELECT EXISTS (SELECT FROM metadata_cell m WHERE m.custodian_id = asked.custodian
                     AND m.record_no = asked.number AND m.record_id = asked.record) AS cell,
          p.page_id::text, p.page, p.wrap, held.numbers, held.ids
     FROM (VALUES ($1::uuid, $2::int8, $3::uuid)) AS asked (custodian, number, record)
     LEFT JOIN metadata_slot s ON s.custodian_id = asked.custodian AND s.record_no = asked.number
           AND s.record_id = asked.record
     LEFT JOIN metadata_page p ON p.custodian_id = s.custodian_id AND p.page_id = s.page_id
     LEFT JOIN LATERAL (
       SELECT array_agg(o.record_no::text) AS numbers, array_agg(o.record_id::text) AS ids
         FROM metadata_slot o
        WHERE o.custodian_id = p.custodian_id AND o.record_no BETWEEN p.first_no AND p.last_no
          AND o.page_id = p.page_id) AS held ON true`,
);

/** Sends both statements at once; the caller awaits them. */
export async function insertPage(
  client: Queryable,
  page: NewPage,
  records: readonly { readonly recordNo: RecordNo; readonly recordId: RecordId }[],
): Promise<void> {
  await Promise.all([
    insertPageOnly(client, page),
    insertSlotRows.run(client, [
      page.custodian,
      page.pageId,
      int8Array(records.map(({ recordNo }) => recordNo)),
      uuidArray(records.map(({ recordId }) => recordId)),
    ]),
  ]);
}

async function insertPageOnly(client: Queryable, page: NewPage): Promise<void> {
  const { custodian, pageId, firstNo, lastNo } = page;
  const digest = pageRowDigest(page);
  const values = [custodian, pageId, firstNo, lastNo, page.page, page.wrap, digest];
  await insertPageRow.run(client, values);
}

/** What takes the place of a page when one of its records goes. */
export interface PageSuccession {
  readonly pageId: string;
  /** The others, and their page; no page when there are none. */
  readonly survivors: readonly RecordNo[];
  readonly successor: NewPage | undefined;
}

/**
 * Replaces the page of `ref`. False when it is not the record's page any more, or not the page that was
 * sealed again: then the transaction must be rolled back. The page's row is the lock; it comes first, so
 * that two shreds of one page wait for each other there and not crosswise at the slots.
 */
export async function succeedPage(
  client: Queryable,
  ref: RecordRef,
  { pageId, survivors, successor }: PageSuccession,
): Promise<boolean> {
  const { custodian, recordId, recordNo } = ref;
  if ((await deletePageRow.run(client, [custodian, pageId])) !== 1) return false;
  if ((await deleteSlotRow.run(client, [custodian, recordNo, recordId, pageId])) !== 1)
    return false;
  if (successor === undefined) return survivors.length === 0;
  const values = [custodian, pageId, successor.pageId, int8Array(survivors)];
  if ((await moveSlotRows.run(client, values)) !== survivors.length) return false;
  await insertPageOnly(client, successor);
  return true;
}

/** Where a record's metadata is: in a cell, in a page, or (damage) nowhere. */
export interface MetadataPlace {
  readonly cell: boolean;
  readonly page:
    | {
        readonly pageId: string;
        readonly page: Buffer;
        readonly wrap: Buffer;
        /** Numbers of the records whose slots name the page, by record id. */
        readonly numbers: ReadonlyMap<string, RecordNo>;
      }
    | undefined;
}

export async function findMetadata(client: Queryable, ref: RecordRef): Promise<MetadataPlace> {
  const { custodian, recordNo, recordId } = ref;
  const row = await selectPlace.first(client, [custodian, recordNo, recordId]);
  if (row === undefined) return { cell: false, page: undefined };
  const { cell, page_id: pageId, page, wrap, numbers, ids } = row;
  if (pageId === null || page === null || wrap === null) return { cell, page: undefined };
  const byId = new Map((ids ?? []).map((id, i) => [id, Number(numbers?.[i]) as RecordNo] as const));
  return { cell, page: { pageId, page, wrap, numbers: byId } };
}
