// A record by its id: who holds it and under which number.
import type { CustodianId, RecordId, RecordNo } from '../kernel/ids.ts';
import { type Queryable, statement } from '../platform/postgres/statement.ts';
import type { RecordRef } from './types.ts';

const find = statement<{ no: string }>(
  'archive.record.find',
  'SELECT record_no AS no FROM public.record WHERE custodian_id = $1 AND record_id = $2',
);

/** Undefined for one that is not there, or not any more. */
export async function findRecord(
  client: Queryable,
  custodian: CustodianId,
  recordId: RecordId,
): Promise<RecordRef | undefined> {
  const row = await find.first(client, [custodian, recordId]);
  return row === undefined
    ? undefined
    : { custodian, recordId, recordNo: Number(row.no) as RecordNo };
}
