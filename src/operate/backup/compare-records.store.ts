// Rows of two databases of one archive, to be compared record by record: the sealed bytes that a record stands for
// have one digest for ever, wherever packs are moved.
import { uuidArray } from '../../platform/postgres/binary-arrays.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';

export interface ComparedRecord {
  readonly custodian: string;
  readonly record: string;
  /** Octets of the original. */
  readonly size: string;
  /** Hex of the digest of the sealed bytes. */
  readonly digest: string;
}

const page = statement<ComparedRecord>(
  'operate.drill.page',
  `SELECT r.custodian_id::text AS custodian, r.record_id::text AS record, r.size::text AS size,
          encode(c.pack_digest, 'hex') AS digest
     FROM public.record r JOIN public.content c USING (dedup_domain, content_id)
    WHERE (r.custodian_id, r.record_id) > ($1::uuid, $2::uuid) AND r.archived_at < $3
    ORDER BY r.custodian_id, r.record_id LIMIT $4`,
);
const erased = statement<{ record: string }>(
  'operate.drill.erased',
  'SELECT record_id::text AS record FROM public.erased_record WHERE record_id = ANY ($1::uuid[])',
);
const nil = '00000000-0000-0000-0000-000000000000';

/** Records that were archived before `until`, in the order of custodian and id, after `last`. */
export function recordsAfter(
  client: Queryable,
  last: Pick<ComparedRecord, 'custodian' | 'record'> | undefined,
  until: Date,
  limit: number,
): Promise<ComparedRecord[]> {
  return page.rows(client, [last?.custodian ?? nil, last?.record ?? nil, until, limit]);
}

/** Which of these were erased. */
export async function erasedAmong(
  client: Queryable,
  records: readonly string[],
): Promise<ReadonlySet<string>> {
  if (records.length === 0) return new Set();
  return new Set((await erased.rows(client, [uuidArray(records)])).map(({ record }) => record));
}
