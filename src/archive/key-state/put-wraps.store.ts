// Puts the wraps of rotated groups into the tables of a restored database: of a content and a cell the newer wrap in
// the place of the older one, of metadata pages the newer page where what the database has opens no more. Nothing
// is added that the database has no record of. docs/formats/key-state.md "Applying".
import {
  byteaArray,
  int4Array,
  int8Array,
  uuidArray,
} from '../../platform/postgres/binary-arrays.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';
import { decodePageSlots, type RecordOf } from '../../vault/formats/key-state-records.ts';
import { cellRowDigest, pageRowDigest, wrapRowDigest } from '../row-digest.ts';

/** Bytes 2 to 5 of a wrap are the version of its parent key (docs/formats/wrap.md). */
const versionOf = (wrap: string): string =>
  `(get_byte(${wrap}, 2)::bigint << 24 | get_byte(${wrap}, 3) << 16 | get_byte(${wrap}, 4) << 8 | get_byte(${wrap}, 5))`;
/** The wrap in `wrap` hangs under a group key that was destroyed. */
const isDead = (custodian: string, no: string, wrap: string): string =>
  `EXISTS (SELECT FROM public.group_key g WHERE g.custodian_id = ${custodian} AND g.group_no = ${no} >> 12
     AND g.version = ${versionOf(wrap)} AND g.state = 'destroyed')`;

const replaceWraps = statement(
  'archive.key-state.replace-wraps',
  `UPDATE public.content_wrap w SET wrap = u.wrap, digest = u.digest, event_id = $1
     FROM unnest($2::uuid[], $3::uuid[], $4::int4[], $5::bytea[], $6::bytea[])
       AS u (custodian_id, content_id, group_no, wrap, digest)
    WHERE w.custodian_id = u.custodian_id AND w.content_id = u.content_id AND w.group_no = u.group_no
      AND ${versionOf('w.wrap')} < ${versionOf('u.wrap')}`,
);
const selectCells = statement<{ custodian: string; no: string; cell: Buffer }>(
  'archive.key-state.select-cells',
  `SELECT m.custodian_id::text AS custodian, m.record_no::text AS no, m.cell
     FROM unnest($1::uuid[], $2::int8[], $3::uuid[], $4::bytea[]) AS u (custodian_id, record_no, record_id, wrap)
     JOIN public.metadata_cell m USING (custodian_id, record_no, record_id)
    WHERE ${versionOf('m.wrap')} < ${versionOf('u.wrap')}`,
);
const replaceCells = statement(
  'archive.key-state.replace-cells',
  `UPDATE public.metadata_cell m SET wrap = u.wrap, digest = u.digest
     FROM unnest($1::uuid[], $2::int8[], $3::bytea[], $4::bytea[]) AS u (custodian_id, record_no, wrap, digest)
    WHERE m.custodian_id = u.custodian_id AND m.record_no = u.record_no`,
);
const replacePage = statement(
  'archive.key-state.replace-page',
  `UPDATE public.metadata_page p SET wrap = $3, digest = $4
    WHERE p.custodian_id = $1 AND p.page_id = $2 AND ${versionOf('p.wrap')} < ${versionOf('$3::bytea')}`,
);
const hasPage = statement(
  'archive.key-state.has-page',
  'SELECT FROM public.metadata_page WHERE custodian_id = $1 AND page_id = $2',
);
const hasLivingPage = statement(
  'archive.key-state.has-living-page',
  `SELECT FROM public.metadata_page p WHERE p.custodian_id = $1 AND p.first_no = $2
      AND NOT ${isDead('p.custodian_id', 'p.first_no', 'p.wrap')}`,
);
// Records of the page that the database has and whose own metadata opens no more.
const selectNeedy = statement(
  'archive.key-state.needy',
  `SELECT FROM unnest($2::int8[], $3::uuid[]) AS u (record_no, record_id)
     JOIN public.record r ON r.custodian_id = $1 AND r.record_no = u.record_no AND r.record_id = u.record_id
    WHERE NOT EXISTS (SELECT FROM public.metadata_cell m WHERE m.custodian_id = $1 AND m.record_no = u.record_no
                         AND NOT ${isDead('m.custodian_id', 'm.record_no', 'm.wrap')})
      AND NOT EXISTS (SELECT FROM public.metadata_slot s JOIN public.metadata_page p USING (custodian_id, page_id)
                       WHERE s.custodian_id = $1 AND s.record_no = u.record_no
                         AND NOT ${isDead('p.custodian_id', 'p.first_no', 'p.wrap')})
    LIMIT 1`,
);
const deleteCells = statement(
  'archive.key-state.delete-cells',
  'DELETE FROM public.metadata_cell WHERE custodian_id = $1 AND record_no = ANY ($2::int8[])',
);
const deleteSlots = statement(
  'archive.key-state.delete-slots',
  'DELETE FROM public.metadata_slot WHERE custodian_id = $1 AND record_no = ANY ($2::int8[])',
);
// One page begins at one number; a page that opens no more gives it up, with the slots that it is left with.
const deleteBefore = statement(
  'archive.key-state.delete-page',
  `WITH gone AS (DELETE FROM public.metadata_page WHERE custodian_id = $1 AND first_no = $2 RETURNING page_id)
   DELETE FROM public.metadata_slot s USING gone WHERE s.custodian_id = $1 AND s.page_id = gone.page_id`,
);
const insertPage = statement(
  'archive.key-state.insert-page',
  `INSERT INTO public.metadata_page (custodian_id, page_id, first_no, last_no, page, wrap, digest)
   VALUES ($1, $2, $3, $4, $5, $6, $7)`,
);
const insertSlots = statement(
  'archive.key-state.insert-slots',
  `INSERT INTO public.metadata_slot (custodian_id, page_id, record_no, record_id)
   SELECT $1::uuid, $2::uuid, * FROM unnest($3::int8[], $4::uuid[])`,
);
// A dead page of which nobody is left but erased records and such as the database does not have.
const deleteLeftPages = statement(
  'archive.key-state.delete-left-pages',
  `WITH gone AS (
     DELETE FROM public.metadata_page p WHERE p.custodian_id = ANY ($1::uuid[])
        AND ${isDead('p.custodian_id', 'p.first_no', 'p.wrap')}
        AND NOT EXISTS (
          SELECT FROM public.metadata_slot s JOIN public.record r USING (custodian_id, record_no, record_id)
           WHERE s.custodian_id = p.custodian_id AND s.page_id = p.page_id
             AND NOT EXISTS (SELECT FROM public.erased_record e
                  WHERE e.custodian_id = s.custodian_id AND e.record_id = s.record_id))
     RETURNING custodian_id, page_id)
   DELETE FROM public.metadata_slot s USING gone
    WHERE s.custodian_id = gone.custodian_id AND s.page_id = gone.page_id`,
);

type Wrapped<R extends { readonly wrap: Uint8Array | null }> = R & { readonly wrap: Uint8Array };
const isWrapped = <R extends { readonly wrap: Uint8Array | null }>(row: R): row is Wrapped<R> =>
  row.wrap !== null;

/** Newer wraps of contents; how many took the place of older ones. */
export async function putContentWraps(
  client: Queryable,
  rows: readonly RecordOf<'contentWrap'>[],
  event: string,
): Promise<number> {
  const wrapped = rows.filter(isWrapped);
  return replaceWraps.run(client, [
    event,
    uuidArray(wrapped.map(({ custodian }) => custodian)),
    uuidArray(wrapped.map(({ content }) => content)),
    int4Array(wrapped.map(({ group }) => group)),
    byteaArray(wrapped.map(({ wrap }) => wrap)),
    byteaArray(
      wrapped.map(({ custodian, content, group, wrap }) =>
        wrapRowDigest({ custodian, contentId: content, group, wrap }),
      ),
    ),
  ]);
}

/** Newer wraps of cells; the cells themselves are never sealed again. */
export async function putCells(
  client: Queryable,
  rows: readonly RecordOf<'cell'>[],
): Promise<number> {
  const wrapped = rows.filter(isWrapped);
  const found = await selectCells.rows(client, [
    uuidArray(wrapped.map(({ custodian }) => custodian)),
    int8Array(wrapped.map(({ recordNo }) => recordNo)),
    uuidArray(wrapped.map(({ record }) => record)),
    byteaArray(wrapped.map(({ wrap }) => wrap)),
  ]);
  const place = (custodian: string, no: number): string => `${custodian} ${String(no)}`;
  const cells = new Map(
    found.map(({ custodian, no, cell }) => [place(custodian, Number(no)), cell]),
  );
  const change = wrapped.flatMap(({ custodian, recordNo, record, wrap }) => {
    const cell = cells.get(place(custodian, recordNo));
    if (cell === undefined) return [];
    const digest = cellRowDigest({ custodian, recordId: record, recordNo, cell, wrap });
    return [{ custodian, recordNo, wrap, digest }];
  });
  return replaceCells.run(client, [
    uuidArray(change.map(({ custodian }) => custodian)),
    int8Array(change.map(({ recordNo }) => recordNo)),
    byteaArray(change.map(({ wrap }) => wrap)),
    byteaArray(change.map(({ digest }) => digest)),
  ]);
}

/** True if the page, or its newer wrap, is in the database now because of this. */
export async function putPage(client: Queryable, row: RecordOf<'page'>): Promise<boolean> {
  const { custodian, page: pageId, firstNo, lastNo, wrap, sealed } = row;
  if (wrap === null) return false;
  const slots = decodePageSlots(row.slots);
  const digest = pageRowDigest({ custodian, pageId, firstNo, lastNo, page: sealed, wrap });
  if ((await hasPage.run(client, [custodian, pageId])) > 0) {
    return (await replacePage.run(client, [custodian, pageId, wrap, digest])) > 0;
  }
  const numbers = int8Array(slots.map(({ recordNo }) => recordNo));
  const ids = uuidArray(slots.map(({ record }) => record));
  if ((await selectNeedy.run(client, [custodian, numbers, ids])) === 0) return false;
  if ((await hasLivingPage.run(client, [custodian, firstNo])) > 0) return false;
  await deleteCells.run(client, [custodian, numbers]);
  await deleteSlots.run(client, [custodian, numbers]);
  await deleteBefore.run(client, [custodian, firstNo]);
  await insertPage.run(client, [custodian, pageId, firstNo, lastNo, sealed, wrap, digest]);
  await insertSlots.run(client, [custodian, pageId, numbers, ids]);
  return true;
}

/** Takes away pages of these custodians that open no more and that nobody needs. */
export async function dropLeftPages(
  client: Queryable,
  custodians: readonly string[],
): Promise<void> {
  await deleteLeftPages.run(client, [uuidArray(custodians)]);
}
