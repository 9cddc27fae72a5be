// What the archive's own tables hold of a record: counted before it is erased, and looked for afterwards.
import { pageRecordIds } from '../vault/formats/page.ts';
import { type Queryable, statement } from '../platform/postgres/statement.ts';
import { held, type HeldRows } from './erasure-target.ts';
import type { RecordRef } from './types.ts';

const countRows = statement<{ name: string; rows: string }>(
  'archive.held.count',
  `SELECT 'record' AS name, count(*) AS rows FROM record WHERE custodian_id = $1 AND record_id = $2
   UNION ALL
   SELECT 'metadata_cell', count(*) FROM metadata_cell
    WHERE custodian_id = $1 AND record_no = $3 AND record_id = $2
   UNION ALL
   SELECT 'metadata_slot', count(*) FROM metadata_slot
    WHERE custodian_id = $1 AND record_no = $3 AND record_id = $2`,
);
const pagesAround = statement<{ page: Buffer }>(
  'archive.held.pages',
  `SELECT page FROM metadata_page WHERE custodian_id = $1 AND first_no <= $2 AND last_no >= $2`,
);

export async function rowsOfRecord(client: Queryable, ref: RecordRef): Promise<HeldRows[]> {
  const { custodian, recordId, recordNo } = ref;
  const rows = await countRows.rows(client, [custodian, recordId, recordNo]);
  return held(rows.map(({ name, rows: count }) => ({ table: name, rows: Number(count) })));
}

/** Pages that still carry the record, whatever the slots say. */
export async function pagesWithRecord(client: Queryable, ref: RecordRef): Promise<HeldRows[]> {
  const pages = await pagesAround.rows(client, [ref.custodian, ref.recordNo]);
  const count = pages.filter(({ page }) => pageRecordIds(page).includes(ref.recordId)).length;
  return held([{ table: 'metadata_page', rows: count }]);
}
