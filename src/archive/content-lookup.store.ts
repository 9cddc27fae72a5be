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

/** A part of a known recipe. */
export interface PartQuestion {
  readonly contentId: ContentId;
  readonly custodian: CustodianId;
}

export interface KnownContent {
  readonly contentId: ContentId;
  readonly tag: Buffer;
  /** Octets. */
  readonly size: number;
  /** Of a recipe; none of a content that is stored whole. */
  readonly parts: readonly ContentId[];
  /** The asking custodian has a wrap of it. */
  readonly own: boolean;
  /** A wrap of somebody (perhaps of the same custodian). */
  readonly holder: CustodianId;
  readonly group: number;
  readonly wrap: Buffer;
}

// Most tags are new: asked alone, they cost one look into an index and open no table of wraps. Each tag is
// looked up for itself: with `= ANY` a plan made while the table was small reads the whole index.
const knownColumns = `known.content_id::text, known.holder_id::text, known.dedup_tag,
       known.size::text, known.parts::text[]`;
const findContents = statement<FoundContent>(
  'archive.content.by-tag',
  `SELECT ${knownColumns}
     FROM unnest($2::bytea[]) AS asked (tag), LATERAL (
       SELECT content_id, holder_id, dedup_tag, size, parts FROM content
        WHERE dedup_domain = $1::uuid AND dedup_tag = asked.tag OFFSET 0) AS known`,
);
const findParts = statement<FoundContent>(
  'archive.content.by-id',
  `SELECT ${knownColumns}
     FROM unnest($2::uuid[]) AS asked (id), LATERAL (
       SELECT content_id, holder_id, dedup_tag, size, parts FROM content
        WHERE dedup_domain = $1::uuid AND content_id = asked.id OFFSET 0) AS known`,
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

interface FoundContent {
  readonly content_id: string;
  readonly holder_id: string;
  readonly dedup_tag: Buffer;
  readonly size: string;
  readonly parts: string[] | null;
}

/** Looks tags up, many in one statement. */
export function createContentLookup(
  db: Database,
  organisation: OrganisationId,
): Coalescer<TagQuestion, KnownContent | undefined> {
  return new Coalescer(async (questions: readonly TagQuestion[]) => {
    const rows = await findContents.rows(db.pool, [
      organisation,
      byteaArray(questions.map(({ tag }) => tag)),
    ]);
    const byTag = new Map(rows.map((row) => [row.dedup_tag.toString('latin1'), row]));
    return withWraps(
      db,
      questions.map(({ tag, custodian }) => ({
        row: byTag.get(tag.toString('latin1')),
        custodian,
      })),
    );
  });
}

/** Looks parts of known recipes up; undefined for one that is not there. */
export function createPartLookup(
  db: Database,
  organisation: OrganisationId,
): Coalescer<PartQuestion, KnownContent | undefined> {
  return new Coalescer(async (questions: readonly PartQuestion[]) => {
    const ids = [...new Set(questions.map(({ contentId }) => contentId))];
    const rows = await findParts.rows(db.pool, [organisation, uuidArray(ids)]);
    const byId = new Map(rows.map((row) => [row.content_id, row]));
    return withWraps(
      db,
      questions.map(({ contentId, custodian }) => ({ row: byId.get(contentId), custodian })),
    );
  });
}

interface Asked {
  readonly row: FoundContent | undefined;
  readonly custodian: CustodianId;
}

/** Answers in the order of `asked`, with a wrap of each content's holder. */
async function withWraps(
  db: Database,
  asked: readonly Asked[],
): Promise<(KnownContent | undefined)[]> {
  const out = new Array<KnownContent | undefined>(asked.length).fill(undefined);
  const hits = asked.flatMap(({ row, custodian }, at) =>
    row === undefined ? [] : [{ at, row, custodian }],
  );
  if (hits.length === 0) return out;
  const wraps = await findWraps.rows(db.pool, [
    uuidArray(hits.map(({ row }) => row.content_id)),
    uuidArray(hits.map(({ row }) => row.holder_id)),
    uuidArray(hits.map(({ custodian }) => custodian)),
  ]);
  for (const { place, group_no: group, wrap, own } of wraps) {
    const hit = hits[Number(place) - 1];
    if (hit === undefined) continue;
    const { row } = hit;
    out[hit.at] = {
      contentId: row.content_id as ContentId,
      tag: row.dedup_tag,
      size: Number(row.size),
      parts: (row.parts ?? []) as ContentId[],
      own,
      holder: row.holder_id as CustodianId,
      group,
      wrap,
    };
  }
  return out;
}
