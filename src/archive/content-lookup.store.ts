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

const lookup = statement<{
  place: string;
  content_id: string;
  holder_id: string;
  group_no: number;
  wrap: Buffer;
  own: boolean;
}>(
  'archive.content.lookup',
  `SELECT asked.place::text, c.content_id::text, c.holder_id::text, held.group_no, held.wrap,
          EXISTS (SELECT FROM content_wrap own
                   WHERE own.custodian_id = asked.custodian AND own.content_id = c.content_id) AS own
     FROM unnest($2::bytea[], $3::uuid[]) WITH ORDINALITY AS asked (tag, custodian, place)
     JOIN content c ON c.dedup_domain = $1::uuid AND c.dedup_tag = asked.tag
     JOIN content_wrap held ON held.custodian_id = c.holder_id AND held.content_id = c.content_id`,
);

/** Looks tags up, many in one statement. */
export function createContentLookup(
  db: Database,
  organisation: OrganisationId,
): Coalescer<TagQuestion, KnownContent | undefined> {
  return new Coalescer(async (questions: readonly TagQuestion[]) => {
    const rows = await lookup.rows(db.pool, [
      organisation,
      byteaArray(questions.map(({ tag }) => tag)),
      uuidArray(questions.map(({ custodian }) => custodian)),
    ]);
    const found = new Map(rows.map((row) => [Number(row.place), row]));
    return questions.map((_, i) => {
      const row = found.get(i + 1);
      return row === undefined
        ? undefined
        : {
            contentId: row.content_id as ContentId,
            own: row.own,
            holder: row.holder_id as CustodianId,
            group: row.group_no,
            wrap: row.wrap,
          };
    });
  });
}
