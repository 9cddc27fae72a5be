// Cells that can be folded, found by key in bounded statements.
import type { CustodianId, RecordId, RecordNo } from '../kernel/ids.ts';
import { recordsPerGroup } from '../kernel/limits.ts';
import type { Database } from '../platform/postgres/database.ts';
import { statement } from '../platform/postgres/statement.ts';
import { pageRecordsMax } from '../vault/formats/page.ts';

export interface FoldableCell {
  readonly recordNo: RecordNo;
  readonly recordId: RecordId;
  readonly cell: Buffer;
  readonly wrap: Buffer;
  readonly digest: Buffer;
}

export interface FoldableGroup {
  readonly custodian: CustodianId;
  readonly group: number;
}

/** A page of fewer records saves too little; their cells wait for more. */
export const foldRecordsMin = 64;
/** A larger cell stays one: whoever reads a neighbour would read it too. */
const foldCellBytesMax = 32_768;
const custodiansRound = 100;
const firstUuid = '00000000-0000-0000-0000-000000000000';

// The probe for the 64th cell ends early for the many custodians who have nothing to fold.
const selectGroups = statement<{ custodian_id: string; groups: string[] | null }>(
  'archive.fold.groups',
  `SELECT c.custodian_id::text, full_groups.groups
     FROM (SELECT custodian_id FROM custodian WHERE custodian_id > $1
            ORDER BY custodian_id LIMIT ${String(custodiansRound)}) c
     LEFT JOIN LATERAL (
       SELECT array_agg(g.group_no::text ORDER BY g.group_no) AS groups FROM (
         SELECT m.record_no / ${String(recordsPerGroup)} AS group_no FROM metadata_cell m
          WHERE m.custodian_id = c.custodian_id GROUP BY 1 HAVING count(*) >= ${String(foldRecordsMin)}
       ) g
     ) full_groups ON EXISTS (
       SELECT FROM metadata_cell n WHERE n.custodian_id = c.custodian_id
        ORDER BY n.record_no OFFSET ${String(foldRecordsMin - 1)} LIMIT 1)
    ORDER BY c.custodian_id`,
);
const selectCells = statement<{
  record_no: string;
  record_id: string;
  cell: Buffer;
  wrap: Buffer;
  digest: Buffer;
}>(
  'archive.fold.cells',
  `SELECT m.record_no::text, m.record_id::text, m.cell, m.wrap, m.digest
     FROM metadata_cell m
     JOIN record r ON r.custodian_id = m.custodian_id AND r.record_no = m.record_no
          AND r.record_id = m.record_id
    WHERE m.custodian_id = $1 AND m.record_no >= $2 AND m.record_no < $3
      AND octet_length(m.cell) <= ${String(foldCellBytesMax)}
    ORDER BY m.record_no LIMIT ${String(pageRecordsMax)}`,
);

/** Groups with at least 64 cells, custodian by custodian. */
export async function* foldableGroups(db: Database): AsyncGenerator<FoldableGroup> {
  for (let after = firstUuid; ;) {
    const rows = await selectGroups.rows(db.pool, [after]);
    const last = rows.at(-1);
    if (last === undefined) return;
    for (const row of rows) {
      for (const group of row.groups ?? []) {
        yield { custodian: row.custodian_id as CustodianId, group: Number(group) };
      }
    }
    after = last.custodian_id;
  }
}

/** The next cells of a group from the record number `from` on, at most a page full. */
export async function foldableCells(
  db: Database,
  { custodian, group }: FoldableGroup,
  from: number,
): Promise<FoldableCell[]> {
  const end = (group + 1) * recordsPerGroup;
  const rows = await selectCells.rows(db.pool, [custodian, from, end]);
  return rows.map((row) => ({
    recordNo: Number(row.record_no) as RecordNo,
    recordId: row.record_id as RecordId,
    cell: row.cell,
    wrap: row.wrap,
    digest: row.digest,
  }));
}
