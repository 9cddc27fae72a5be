// The part that puts a page in the place of cells. Either all of its cells go and the page is there, or
// nothing happens: a cell that was shredded, folded or wrapped again meanwhile makes it a conflict.
import { PostsealError } from '../kernel/errors.ts';
import type { RecordId, RecordNo } from '../kernel/ids.ts';
import { byteaArray, int8Array } from '../platform/postgres/binary-arrays.ts';
import { statement } from '../platform/postgres/statement.ts';
import type { BatchTx, PartKind } from './committer/types.ts';
import type { NewPage } from './new-page.ts';
import { insertPage } from './page-rows.store.ts';

export interface FoldInput {
  readonly page: NewPage;
  /** In the order of their numbers. */
  readonly cells: readonly {
    readonly recordNo: RecordNo;
    readonly recordId: RecordId;
    /** Of the cell's row; it covers the record's id, the cell and its wrap. */
    readonly digest: Buffer;
  }[];
}

// By number, so that two folds of the same cells wait for each other and not crosswise.
const lockCells = statement(
  'archive.fold.lock-cells',
  `SELECT FROM metadata_cell m
     JOIN unnest($2::int8[], $3::bytea[]) AS known (number, digest)
       ON m.record_no = known.number AND m.digest = known.digest
    WHERE m.custodian_id = $1 ORDER BY m.record_no FOR UPDATE OF m`,
);
const deleteCells = statement(
  'archive.fold.delete-cells',
  'DELETE FROM metadata_cell WHERE custodian_id = $1 AND record_no = ANY ($2::int8[])',
);

export const foldKind: PartKind<FoldInput, undefined> = {
  name: 'archive.fold',
  stage: 900,
  // A conflict is rolled back without others, and row locks are taken in no other part's company.
  exclusive: true,
  locks: () => ({}),
  apply: async (tx, items) => {
    const answers: (undefined | PostsealError)[] = [];
    for (const { input } of items) answers.push(await foldOne(tx, input));
    return answers;
  },
};

async function foldOne(
  { client }: BatchTx,
  { page, cells }: FoldInput,
): Promise<undefined | PostsealError> {
  const numbers = int8Array(cells.map(({ recordNo }) => recordNo));
  const digests = byteaArray(cells.map(({ digest }) => digest));
  const locked = await lockCells.run(client, [page.custodian, numbers, digests]);
  if (locked !== cells.length) return new PostsealError('store.conflict', { page: page.pageId });
  await Promise.all([
    deleteCells.run(client, [page.custodian, numbers]),
    insertPage(client, page, cells),
  ]);
  return undefined;
}
