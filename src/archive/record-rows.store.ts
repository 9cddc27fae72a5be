// Rows that reading a body needs: where a record's content lies and under which wrap. Always read anew, so that a shredded record is gone for readers the moment its shred is committed.
import type { ContentId, CustodianId, PackId } from '../kernel/ids.ts';
import { uuidArray } from '../platform/postgres/binary-arrays.ts';
import { ofSlice, type Slice, slicesOf } from '../platform/postgres/custodian-slices.ts';
import type { Database } from '../platform/postgres/database.ts';
import { type Statement, statement } from '../platform/postgres/statement.ts';
import type { PackRef } from '../vault/packs/body-store.ts';
import { Coalescer } from './coalescer.ts';
import type { RecordRef } from './types.ts';

export interface ContentRow {
  readonly custodian: CustodianId;
  readonly contentId: ContentId;
  readonly size: number;
  readonly group: number;
  readonly wrap: Buffer;
  readonly place: PackRef;
  /** Of a recipe; none of a content that is stored whole. */
  readonly parts: readonly ContentId[];
}

/** One content of a custodian, whatever record or recipe needs it. */
export interface PartRef {
  readonly custodian: CustodianId;
  readonly contentId: ContentId;
}

interface ContentColumns {
  place: string;
  content_id: string;
  size: string;
  group_no: number;
  wrap: Buffer;
  pack_id: string;
  pack_offset: string;
  pack_length: string;
  pack_digest: Buffer;
  parts: string[] | null;
}

const contentColumns = `asked.place::text, c.content_id::text, c.size::text, w.group_no, w.wrap,
          c.pack_id::text, c.pack_offset::text, c.pack_length::text, c.pack_digest, c.parts::text[]`;
const selectContents = statement<ContentColumns>(
  'archive.content.of-records',
  `SELECT ${contentColumns}
     FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS asked (custodian, record, place)
     JOIN record r ON r.custodian_id = asked.custodian AND r.record_id = asked.record
     JOIN content_wrap w ON w.custodian_id = r.custodian_id AND w.content_id = r.content_id
     JOIN content c ON c.dedup_domain = r.dedup_domain AND c.content_id = r.content_id
    WHERE ${ofSlice('r.custodian_id', 3)} AND ${ofSlice('w.custodian_id', 3)}`,
);
const selectParts = statement<ContentColumns>(
  'archive.content.of-parts',
  `SELECT ${contentColumns}
     FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS asked (custodian, content, place)
     JOIN content_wrap w ON w.custodian_id = asked.custodian AND w.content_id = asked.content AND w.part
     JOIN content c ON c.dedup_domain = w.dedup_domain AND c.content_id = w.content_id
    WHERE ${ofSlice('w.custodian_id', 3)}`,
);
/** Rounds of questions of readers. */
export const readLimits = { roundMax: 1_000, rounds: 2 };

/** Content rows of records, many in one statement; undefined for a record that is not there. */
export function createContentRows(db: Database): Coalescer<RecordRef, ContentRow | undefined> {
  return rowsBy(db, selectContents, ({ recordId }) => recordId);
}

/** Content rows of parts, many in one statement; undefined for one that the custodian does not hold. */
export function createPartRows(db: Database): Coalescer<PartRef, ContentRow | undefined> {
  return rowsBy(db, selectParts, ({ contentId }) => contentId);
}

function rowsBy<Q extends { readonly custodian: CustodianId }>(
  db: Database,
  select: Statement<ContentColumns>,
  objectOf: (question: Q) => string,
): Coalescer<Q, ContentRow | undefined> {
  return new Coalescer(async (questions: readonly Q[]) => {
    const out = new Array<ContentRow | undefined>(questions.length).fill(undefined);
    const readSlice = async ({ items, places, custodians }: Slice<Q>): Promise<void> => {
      const rows = await select.rows(db.pool, [
        uuidArray(items.map(({ custodian }) => custodian)),
        uuidArray(items.map(objectOf)),
        ...custodians,
      ]);
      for (const row of rows) {
        const item = items[Number(row.place) - 1];
        const place = places[Number(row.place) - 1];
        if (item !== undefined && place !== undefined) out[place] = contentRow(item.custodian, row);
      }
    };
    await Promise.all(slicesOf(questions, ({ custodian }) => custodian).map(readSlice));
    return out;
  }, readLimits);
}

const contentRow = (custodian: CustodianId, row: ContentColumns): ContentRow => ({
  custodian,
  contentId: row.content_id as ContentId,
  size: Number(row.size),
  group: row.group_no,
  wrap: row.wrap,
  place: {
    pack: row.pack_id as PackId,
    offset: Number(row.pack_offset),
    length: Number(row.pack_length),
    sha256: row.pack_digest,
  },
  parts: (row.parts ?? []) as ContentId[],
});
