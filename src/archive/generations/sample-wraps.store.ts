// One wrap of each custodian, for the proof before a key generation is destroyed.
import type { CustodianId } from '../../kernel/ids.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';

export interface SampleWrap {
  readonly custodian: CustodianId;
  readonly group: number;
  readonly contentId: string;
  readonly wrap: Buffer;
}

const custodiansRound = 100;

const selectSamples = statement<{
  custodian_id: string;
  group_no: number | null;
  content_id: string | null;
  wrap: Buffer | null;
}>(
  'archive.sample.wraps',
  `SELECT c.custodian_id::text, w.group_no, w.content_id::text, w.wrap
     FROM (SELECT custodian_id FROM custodian WHERE custodian_id > $1
            ORDER BY custodian_id LIMIT ${String(custodiansRound)}) c
     LEFT JOIN LATERAL (SELECT group_no, content_id, wrap FROM content_wrap
            WHERE custodian_id = c.custodian_id AND NOT part LIMIT 1) w ON true
    ORDER BY c.custodian_id`,
);

/** The samples of the next custodians, and where the next look begins; undefined at the end. */
export async function sampleWraps(
  client: Queryable,
  after: string,
): Promise<{ readonly wraps: SampleWrap[]; readonly next: string | undefined }> {
  const rows = await selectSamples.rows(client, [after]);
  const wraps = rows.flatMap(({ custodian_id: custodian, group_no, content_id, wrap }) =>
    group_no === null || content_id === null || wrap === null
      ? []
      : [{ custodian: custodian as CustodianId, group: group_no, contentId: content_id, wrap }],
  );
  return { wraps, next: rows.length < custodiansRound ? undefined : rows.at(-1)?.custodian_id };
}
