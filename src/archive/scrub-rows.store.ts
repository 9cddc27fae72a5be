// Rows for the scrub, read in bounded pages by key, so that it neither holds a long snapshot nor memory.
import type { ContentId, CustodianId, PackId, RecordId } from '../kernel/ids.ts';
import type { Database } from '../platform/postgres/database.ts';
import { statement } from '../platform/postgres/statement.ts';
import type { PackRef } from '../vault/packs/body-store.ts';

export interface ContentScrubRow {
  readonly contentId: ContentId;
  readonly place: PackRef;
}

export interface WrapScrubRow {
  readonly custodian: CustodianId;
  readonly contentId: ContentId;
  readonly group: number;
  readonly wrap: Buffer;
  readonly digest: Buffer;
  /** Of a part that messages share. */
  readonly part: boolean;
}

export interface CellScrubRow {
  readonly custodian: CustodianId;
  readonly recordNo: number;
  readonly recordId: RecordId;
  readonly cell: Buffer;
  readonly wrap: Buffer;
  readonly digest: Buffer;
}

export interface PageScrubRow {
  readonly custodian: CustodianId;
  readonly pageId: string;
  readonly firstNo: number;
  readonly lastNo: number;
  readonly page: Buffer;
  readonly wrap: Buffer;
  readonly digest: Buffer;
  /** Records whose slots name this page, sorted. */
  readonly records: readonly string[];
}

export interface DanglingRow {
  readonly table: string;
  readonly place: Readonly<Record<string, string>>;
  readonly what: string;
}

// ORDER BY names the table's columns: a bare name would mean the text that is selected, in which 10
// comes before 9, and pages would leave rows out.
const pageRows = 500;
/** Pages have tens of kilobytes each. */
const pagesRound = 50;
const firstUuid = '00000000-0000-0000-0000-000000000000';

const selectPacks = statement<{ pack_id: string }>(
  'archive.scrub.packs',
  `WITH RECURSIVE step AS (
     (SELECT pack_id FROM content ORDER BY pack_id LIMIT 1)
     UNION ALL
     SELECT (SELECT c.pack_id FROM content c WHERE c.pack_id > step.pack_id ORDER BY c.pack_id LIMIT 1)
       FROM step WHERE step.pack_id IS NOT NULL
   ) SELECT pack_id::text FROM step WHERE pack_id IS NOT NULL`,
);
const selectContents = statement<{
  content_id: string;
  pack_offset: string;
  pack_length: string;
  pack_digest: Buffer;
}>(
  'archive.scrub.contents',
  `SELECT content_id::text, pack_offset::text, pack_length::text, pack_digest
     FROM content WHERE pack_id = $1 ORDER BY content.pack_offset`,
);
const selectWraps = statement<{
  custodian_id: string;
  content_id: string;
  group_no: number;
  wrap: Buffer;
  digest: Buffer;
  part: boolean;
}>(
  'archive.scrub.wraps',
  `SELECT custodian_id::text, content_id::text, group_no, wrap, digest, part FROM content_wrap
    WHERE (custodian_id, content_id) > ($1::uuid, $2::uuid)
    ORDER BY content_wrap.custodian_id, content_wrap.content_id LIMIT ${String(pageRows)}`,
);
const selectCells = statement<{
  custodian_id: string;
  record_no: string;
  record_id: string;
  cell: Buffer;
  wrap: Buffer;
  digest: Buffer;
}>(
  'archive.scrub.cells',
  `SELECT custodian_id::text, record_no::text, record_id::text, cell, wrap, digest FROM metadata_cell
    WHERE (custodian_id, record_no) > ($1::uuid, $2::bigint)
    ORDER BY metadata_cell.custodian_id, metadata_cell.record_no LIMIT ${String(pageRows)}`,
);

const selectPages = statement<{
  custodian_id: string;
  page_id: string;
  first_no: string;
  last_no: string;
  page: Buffer;
  wrap: Buffer;
  digest: Buffer;
  records: string[] | null;
}>(
  'archive.scrub.pages',
  `SELECT p.custodian_id::text, p.page_id::text, p.first_no::text, p.last_no::text, p.page, p.wrap,
          p.digest, held.records
     FROM metadata_page p
     LEFT JOIN LATERAL (
       SELECT array_agg(s.record_id::text ORDER BY s.record_id) AS records FROM metadata_slot s
        WHERE s.custodian_id = p.custodian_id AND s.record_no BETWEEN p.first_no AND p.last_no
          AND s.page_id = p.page_id) AS held ON true
    WHERE (p.custodian_id, p.page_id) > ($1::uuid, $2::uuid)
    ORDER BY p.custodian_id, p.page_id LIMIT ${String(pagesRound)}`,
);

/** Rows that no commit of ours leaves behind; each statement sees one snapshot. */
const dangling: readonly { table: string; what: string; sql: string }[] = [
  {
    table: 'record',
    what: 'record or recipe without wrap, or wrap with a wrong count',
    sql: `SELECT coalesce(r.custodian_id, w.custodian_id)::text AS custodian,
                 coalesce(r.content_id, w.content_id)::text AS object
            FROM (SELECT custodian_id, content_id, count(*) AS n FROM (
                    SELECT custodian_id, content_id FROM record
                    UNION ALL
                    SELECT h.custodian_id, p.part_id
                      FROM content c JOIN content_wrap h USING (dedup_domain, content_id),
                           unnest(c.parts) AS p (part_id)) uses
                   GROUP BY 1, 2) r
            FULL JOIN content_wrap w
              ON w.custodian_id = r.custodian_id AND w.content_id = r.content_id
           WHERE r.n IS DISTINCT FROM w.refs`,
  },
  {
    table: 'record',
    what: 'record without metadata, with two, or metadata without record',
    sql: `SELECT coalesce(r.custodian_id, m.custodian_id)::text AS custodian,
                 coalesce(r.record_id, m.record_id)::text AS object
            FROM record r
            FULL JOIN (
              SELECT custodian_id, record_no, record_id, count(*) AS n FROM (
                SELECT custodian_id, record_no, record_id FROM metadata_cell
                UNION ALL SELECT custodian_id, record_no, record_id FROM metadata_slot) places
               GROUP BY 1, 2, 3) m
              ON m.custodian_id = r.custodian_id AND m.record_no = r.record_no
                 AND m.record_id = r.record_id
           WHERE r.record_id IS NULL OR m.n IS DISTINCT FROM 1`,
  },
  {
    table: 'metadata_slot',
    what: 'slot of a page that is not there, or not of this record number',
    sql: `SELECT s.custodian_id::text AS custodian, s.record_id::text AS object
            FROM metadata_slot s
            LEFT JOIN metadata_page p ON p.custodian_id = s.custodian_id AND p.page_id = s.page_id
                 AND s.record_no BETWEEN p.first_no AND p.last_no
           WHERE p.page_id IS NULL`,
  },
  {
    table: 'content_wrap',
    what: 'wrap of a content that is not there',
    sql: `SELECT w.custodian_id::text AS custodian, w.content_id::text AS object
            FROM content_wrap w
            LEFT JOIN content c ON c.dedup_domain = w.dedup_domain AND c.content_id = w.content_id
           WHERE c.content_id IS NULL`,
  },
  {
    table: 'content',
    what: 'content whose holder has no wrap',
    sql: `SELECT c.holder_id::text AS custodian, c.content_id::text AS object
            FROM content c
            LEFT JOIN content_wrap w ON w.custodian_id = c.holder_id AND w.content_id = c.content_id
           WHERE w.content_id IS NULL`,
  },
];

/** Packs that contents lie in. */
export async function listPacks(db: Database): Promise<PackId[]> {
  return (await selectPacks.rows(db.pool)).map((row) => row.pack_id as PackId);
}

/** Contents in one pack by offset; a pack of 256 MiB holds some hundred thousand at most. */
export async function contentsOfPack(db: Database, pack: PackId): Promise<ContentScrubRow[]> {
  const rows = await selectContents.rows(db.pool, [pack]);
  return rows.map((row) => ({
    contentId: row.content_id as ContentId,
    place: {
      pack,
      offset: Number(row.pack_offset),
      length: Number(row.pack_length),
      sha256: row.pack_digest,
    },
  }));
}

export async function* listWraps(db: Database): AsyncGenerator<WrapScrubRow[]> {
  for (let after: [string, string] = [firstUuid, firstUuid]; ;) {
    const rows = await selectWraps.rows(db.pool, after);
    const last = rows.at(-1);
    if (last === undefined) return;
    after = [last.custodian_id, last.content_id];
    yield rows.map((row) => ({
      custodian: row.custodian_id as CustodianId,
      contentId: row.content_id as ContentId,
      group: row.group_no,
      wrap: row.wrap,
      digest: row.digest,
      part: row.part,
    }));
  }
}

export async function* listCells(db: Database): AsyncGenerator<CellScrubRow[]> {
  for (let after: [string, string] = [firstUuid, '-1']; ;) {
    const rows = await selectCells.rows(db.pool, after);
    const last = rows.at(-1);
    if (last === undefined) return;
    after = [last.custodian_id, last.record_no];
    yield rows.map((row) => ({
      custodian: row.custodian_id as CustodianId,
      recordNo: Number(row.record_no),
      recordId: row.record_id as RecordId,
      cell: row.cell,
      wrap: row.wrap,
      digest: row.digest,
    }));
  }
}

export async function* listPages(db: Database): AsyncGenerator<PageScrubRow[]> {
  for (let after: [string, string] = [firstUuid, firstUuid]; ;) {
    const rows = await selectPages.rows(db.pool, after);
    const last = rows.at(-1);
    if (last === undefined) return;
    after = [last.custodian_id, last.page_id];
    yield rows.map((row) => ({
      custodian: row.custodian_id as CustodianId,
      pageId: row.page_id,
      firstNo: Number(row.first_no),
      lastNo: Number(row.last_no),
      page: row.page,
      wrap: row.wrap,
      digest: row.digest,
      records: row.records ?? [],
    }));
  }
}

export async function* findDanglingRows(db: Database): AsyncGenerator<DanglingRow> {
  for (const { table, what, sql } of dangling) {
    const { rows } = await db.pool.query<{ custodian: string; object: string }>(sql);
    for (const { custodian, object } of rows) yield { table, what, place: { custodian, object } };
  }
}
