// Is it here already? Dedup tags to contents, with a wrap from which a new custodian's can be made.
import type { ContentId, CustodianId, OrganisationId } from '../kernel/ids.ts';
import { byteaArray, uuidArray } from '../platform/postgres/binary-arrays.ts';
import type { Database } from '../platform/postgres/database.ts';
import { statement } from '../platform/postgres/statement.ts';
import { Coalescer } from './coalescer.ts';

export interface TagQuestion {
  readonly tag: Buffer;
  readonly custodian: CustodianId;
}

export interface KnownContent {
  readonly contentId: ContentId;
  /** The asking custodian has a wrap of it. */
  readonly own: boolean;
  /** A wrap of somebody (perhaps of the same custodian). */
  readonly holder: CustodianId;
  readonly group: number;
  readonly wrap: Buffer;
}

// Most tags are new: asked alone, they cost one look into an index and open no table of wraps. Each tag is
// looked up for itself: with `= ANY` a plan made while the table was small reads the whole index.
const findContents = statement<{ tag: string; content_id: string; holder_id: string }>(
  'archive.content.by-tag',
  `SELECT encode(asked.tag, 'hex') AS tag, known.content_id::text, known.holder_id::text
     FROM unnest($2::bytea[]) AS asked (tag), LATERAL (
       SELECT content_id, holder_id FROM content
        WHERE dedup_domain = $1::uuid AND dedup_tag = asked.tag OFFSET 0) AS known`,
);
const findWraps = statement<{ place: string; group_no: number; wrap: Buffer; own: boolean }>(
  'archive.content.holder-wrap',
  `SELECT asked.place::text, held.group_no, held.wrap,
          EXISTS (SELECT FROM content_wrap own
                   WHERE own.custodian_id = asked.custodian AND own.content_id = asked.content) AS own
     FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])
       WITH ORDINALITY AS asked (content, holder, custodian, place)
     JOIN content_wrap held
       ON held.custodian_id = asked.holder AND held.content_id = asked.content`,
);

/** Looks tags up, many in one statement. */
export function createContentLookup(
  db: Database,
  organisation: OrganisationId,
): Coalescer<TagQuestion, KnownContent | undefined> {
  return new Coalescer(async (questions: readonly TagQuestion[]) => {
    const out = new Array<KnownContent | undefined>(questions.length).fill(undefined);
    const rows = await findContents.rows(db.pool, [
      organisation,
      byteaArray(questions.map(({ tag }) => tag)),
    ]);
    if (rows.length === 0) return out;
    const byTag = new Map(rows.map((row) => [row.tag, row]));
    const hits = questions.flatMap(({ tag, custodian }, at) => {
      const row = byTag.get(tag.toString('hex'));
      return row === undefined ? [] : [{ at, row, custodian }];
    });
    const wraps = await findWraps.rows(db.pool, [
      uuidArray(hits.map(({ row }) => row.content_id)),
      uuidArray(hits.map(({ row }) => row.holder_id)),
      uuidArray(hits.map(({ custodian }) => custodian)),
    ]);
    for (const { place, group_no: group, wrap, own } of wraps) {
      const hit = hits[Number(place) - 1];
      if (hit === undefined) continue;
      const { content_id: contentId, holder_id: holder } = hit.row;
      out[hit.at] = {
        contentId: contentId as ContentId,
        own,
        holder: holder as CustodianId,
        group,
        wrap,
      };
    }
    return out;
  });
}
