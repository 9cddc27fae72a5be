// What an erasure takes from imports: the keyed hash by which the message would be known again. A later
// import of it is a new one.
import {
  held,
  type ErasureTarget,
  type HeldRows,
  type Purge,
} from '../../archive/erasure-target.ts';
import { part, type PartKind } from '../../archive/committer/types.ts';
import type { RecordRef } from '../../archive/types.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';

const countItems = statement<{ rows: string }>(
  'intake.import-item.count-of-record',
  'SELECT count(*) AS rows FROM import_item WHERE custodian_id = $1 AND record_id = $2',
);
// A row that goes away carries the event of its deletion (migration 0001), so each is named first.
const nameItems = statement(
  'intake.import-item.name-erased',
  'UPDATE import_item SET event_id = $3 WHERE custodian_id = $1 AND record_id = $2',
);
const deleteItems = statement(
  'intake.import-item.delete-erased',
  'DELETE FROM import_item WHERE custodian_id = $1 AND record_id = $2',
);

const forgetItemKind: PartKind<RecordRef, null> = {
  name: 'intake.import-item.forget',
  stage: 66,
  exclusive: true,
  locks: () => ({}),
  async apply(tx, items) {
    await Promise.all(
      items.flatMap(({ input: { custodian, recordId }, event }) => [
        nameItems.run(tx.client, [custodian, recordId, event]),
        deleteItems.run(tx.client, [custodian, recordId]),
      ]),
    );
    return items.map(() => null);
  },
};

async function itemsOf(client: Queryable, ref: RecordRef): Promise<HeldRows[]> {
  const row = await countItems.first(client, [ref.custodian, ref.recordId]);
  return held([{ table: 'import_item', rows: Number(row?.rows ?? 0) }]);
}

export const importErasure: ErasureTarget<null> = {
  name: 'intake.import-item',
  tables: ['import_item'],
  kept: {},
  discover: itemsOf,
  purge: (ref): Promise<Purge<null>> => Promise.resolve({ part: part(forgetItemKind, ref) }),
  verify: itemsOf,
};
