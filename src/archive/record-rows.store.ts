// Rows that reading a body needs: where a record's content lies and under which wrap. Always read anew, so that a shredded record is gone for readers the moment its shred is committed.
import type { ContentId, CustodianId, PackId } from '../kernel/ids.ts';
import { uuidArray } from '../platform/postgres/binary-arrays.ts';
import { ofSlice, type Slice, slicesOf } from '../platform/postgres/custodian-slices.ts';
import type { Database } from '../platform/postgres/database.ts';
import { statement } from '../platform/postgres/statement.ts';
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
}

interface PlaceColumns {
  place: string;
}

const selectContents = statement<
  PlaceColumns & {
    content_id: string;
    size: string;
    group_no: number;
    wrap: Buffer;
    pack_id: string;
    pack_offset: string;
    pack_length: string;
    pack_digest: Buffer;
  }
>(
  'archive.content.of-records',
  `SELECT asked.place::text, r.content_id::text, r.size::text, w.group_no, w.wrap,
          c.pack_id::text, c.pack_offset::text, c.pack_length::text, c.pack_digest
     FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS asked (custodian, record, place)
     JOIN record r ON r.custodian_id = asked.custodian AND r.record_id = asked.record
     JOIN content_wrap w ON w.custodian_id = r.custodian_id AND w.content_id = r.content_id
     JOIN content c ON c.dedup_domain = r.dedup_domain AND c.content_id = r.content_id
    WHERE ${ofSlice('r.custodian_id', 3)} AND ${ofSlice('w.custodian_id', 3)}`,
);
/** Rounds of questions of readers. */
export const readLimits = { roundMax: 1_000, rounds: 2 };

/** Content rows of records, many in one statement; undefined for a record that is not there. */
export function createContentRows(db: Database): Coalescer<RecordRef, ContentRow | undefined> {
  return new Coalescer(async (refs: readonly RecordRef[]) => {
    const out = new Array<ContentRow | undefined>(refs.length).fill(undefined);
    const slices = slicesOf(refs, ({ custodian }) => custodian);
    await Promise.all(slices.map((slice) => readSlice(db, slice, out)));
    return out;
  }, readLimits);
}

async function readSlice(
  db: Database,
  { items, places, custodians }: Slice<RecordRef>,
  out: (ContentRow | undefined)[],
): Promise<void> {
  const rows = await selectContents.rows(db.pool, [
    uuidArray(items.map(({ custodian }) => custodian)),
    uuidArray(items.map(({ recordId }) => recordId)),
    ...custodians,
  ]);
  for (const row of rows) {
    const at = Number(row.place) - 1;
    const item = items[at];
    const place = places[at];
    if (item === undefined || place === undefined) continue;
    out[place] = {
      custodian: item.custodian,
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
    };
  }
}
