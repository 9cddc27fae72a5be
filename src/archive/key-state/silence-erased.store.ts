// Takes their wraps from records that a restored database has although they were erased: until they are shredded
// again they read as destroyed. The wrap that takes the place names a version of the group key that never is.
import type { CustodianId } from '../../kernel/ids.ts';
import {
  byteaArray,
  int4Array,
  int8Array,
  uuidArray,
} from '../../platform/postgres/binary-arrays.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';
import { wrapBytes } from '../../vault/formats/wrap.ts';
import { cellRowDigest, wrapRowDigest } from '../row-digest.ts';

/** `docs/formats/wrap.md`: version, suite, parent version; no key ever gets so many versions. */
export const silencedWrap: Buffer = Buffer.concat([
  Buffer.of(1, 1, 0xff, 0xff, 0xff, 0xff),
  Buffer.alloc(wrapBytes - 6),
]);

// Another record of the same custodian may need the wrap, or that of a part.
const selectWraps = statement<{ custodian: string; content: string; group: number }>(
  'archive.key-state.erased-wraps',
  `SELECT DISTINCT w.custodian_id::text AS custodian, w.content_id::text AS content, w.group_no AS "group"
     FROM public.erased_record e JOIN public.record r USING (custodian_id, record_id)
     JOIN public.content_wrap w USING (custodian_id, content_id)
    WHERE e.custodian_id = ANY ($1::uuid[]) AND w.wrap <> $2 AND NOT EXISTS (
      SELECT FROM public.record o WHERE o.custodian_id = w.custodian_id AND o.content_id = w.content_id
         AND NOT EXISTS (SELECT FROM public.erased_record x
              WHERE x.custodian_id = o.custodian_id AND x.record_id = o.record_id))
   UNION
   SELECT w.custodian_id::text, w.content_id::text, w.group_no
     FROM public.erased_record e JOIN public.record r USING (custodian_id, record_id)
     JOIN public.content c USING (dedup_domain, content_id)
     JOIN public.content_wrap w ON w.custodian_id = e.custodian_id AND w.content_id = ANY (c.parts)
    WHERE e.custodian_id = ANY ($1::uuid[]) AND w.wrap <> $2 AND NOT EXISTS (
      SELECT FROM public.record o JOIN public.content a USING (dedup_domain, content_id)
       WHERE o.custodian_id = w.custodian_id AND w.content_id = ANY (a.parts)
         AND NOT EXISTS (SELECT FROM public.erased_record x
              WHERE x.custodian_id = o.custodian_id AND x.record_id = o.record_id))`,
);
const replaceWraps = statement(
  'archive.key-state.silence-wraps',
  `UPDATE public.content_wrap w SET wrap = $1, digest = u.digest, event_id = $2
     FROM unnest($3::uuid[], $4::uuid[], $5::int4[], $6::bytea[]) AS u (custodian_id, content_id, group_no, digest)
    WHERE w.custodian_id = u.custodian_id AND w.content_id = u.content_id`,
);
const selectCells = statement<{ custodian: string; record: string; no: string; cell: Buffer }>(
  'archive.key-state.erased-cells',
  `SELECT DISTINCT m.custodian_id::text AS custodian, m.record_id::text AS record, m.record_no::text AS no, m.cell
     FROM public.erased_record e JOIN public.record r USING (custodian_id, record_id)
     JOIN public.metadata_cell m USING (custodian_id, record_no)
    WHERE e.custodian_id = ANY ($1::uuid[]) AND m.record_id = e.record_id AND m.wrap <> $2`,
);
const replaceCells = statement(
  'archive.key-state.silence-cells',
  `UPDATE public.metadata_cell m SET wrap = $1, digest = u.digest
     FROM unnest($2::uuid[], $3::int8[], $4::bytea[]) AS u (custodian_id, record_no, digest)
    WHERE m.custodian_id = u.custodian_id AND m.record_no = u.record_no`,
);
const selectCustodians = statement<{ id: string }>(
  'archive.key-state.erased-custodians',
  `SELECT DISTINCT e.custodian_id::text AS id FROM public.erased_record e
     JOIN public.record r USING (custodian_id, record_id)`,
);

/** Custodians of erased records that the database has. */
export async function custodiansWithErased(client: Queryable): Promise<CustodianId[]> {
  return (await selectCustodians.rows(client)).map(({ id }) => id as CustodianId);
}

/** In the transaction of `event`, which names the custodians. */
export async function silenceErased(
  client: Queryable,
  custodians: readonly string[],
  event: string,
): Promise<void> {
  const asked = [uuidArray(custodians), silencedWrap];
  const wraps = await selectWraps.rows(client, asked);
  await replaceWraps.run(client, [
    silencedWrap,
    event,
    uuidArray(wraps.map(({ custodian }) => custodian)),
    uuidArray(wraps.map(({ content }) => content)),
    int4Array(wraps.map(({ group }) => group)),
    byteaArray(
      wraps.map(({ custodian, content, group }) =>
        wrapRowDigest({ custodian, contentId: content, group, wrap: silencedWrap }),
      ),
    ),
  ]);
  const cells = await selectCells.rows(client, asked);
  await replaceCells.run(client, [
    silencedWrap,
    uuidArray(cells.map(({ custodian }) => custodian)),
    int8Array(cells.map(({ no }) => Number(no))),
    byteaArray(
      cells.map(({ custodian, record, no, cell }) => {
        const place = { custodian, recordId: record, recordNo: Number(no) };
        return cellRowDigest({ ...place, cell, wrap: silencedWrap });
      }),
    ),
  ]);
}
