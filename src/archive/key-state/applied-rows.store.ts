// What is to be looked at after a key state was applied: custodians whose groups have replaced keys, and records
// that the database has although they were erased.
import { type Queryable, statement } from '../../platform/postgres/statement.ts';
import { firstCustodian } from '../../vault/keys/generation-steps.ts';

const selectCustodians = statement<{ id: string }>(
  'archive.key-state.custodians',
  `SELECT DISTINCT custodian_id::text AS id, custodian_id FROM public.group_key
    WHERE state = 'destroyed' AND custodian_id > $1 ORDER BY custodian_id LIMIT $2`,
);
const selectErased = statement<{ custodian: string; record: string; number: string }>(
  'archive.key-state.erased',
  `SELECT DISTINCT r.custodian_id::text AS custodian, r.record_id::text AS record, r.record_no::text AS number
     FROM public.erased_record e JOIN public.record r USING (custodian_id, record_id)`,
);

/** The next custodians behind `after` (empty: the first) who have a group with a destroyed key. */
export async function custodiansWithEndedGroups(
  client: Queryable,
  after: string,
  limit: number,
): Promise<string[]> {
  const values = [after === '' ? firstCustodian : after, limit];
  return (await selectCustodians.rows(client, values)).map(({ id }) => id);
}

export async function erasedRecords(
  client: Queryable,
): Promise<{ custodian: string; record: string; number: number }[]> {
  const rows = await selectErased.rows(client);
  return rows.map((row) => ({ ...row, number: Number(row.number) }));
}
