// Wraps of the archive under a group key that was replaced: found by key in bounded statements, put in the place
// of exactly the wrap that was read, and, when none is left, the end of the replaced group key.
import type { CustodianId, EventId, OrganisationId } from '../../kernel/ids.ts';
import { recordsPerGroup } from '../../kernel/limits.ts';
import { byteaArray, int8Array, uuidArray } from '../../platform/postgres/binary-arrays.ts';
import { type Queryable, statement } from '../../platform/postgres/statement.ts';
import type { WrapPurpose } from '../../vault/keys/types.ts';
import { governanceLockKey } from '../committer/governance-lock.ts';
import { cellRowDigest, pageRowDigest, wrapRowDigest } from '../row-digest.ts';

/** A group with a retired key, and the version that its wraps belong under. */
export interface ReplacedGroup {
  readonly custodian: CustodianId;
  readonly group: number;
  readonly live: number;
}

/** A stale wrap in its row. */
export interface StaleWrap {
  readonly objectId: string;
  readonly wrap: Buffer;
  /** What the wrapped key is for. */
  readonly purpose: Extract<WrapPurpose, 'dek' | 'part' | 'cell' | 'page'>;
  /** Where the next look begins. */
  readonly place: string;
  /** Digest of the row with another wrap. */
  readonly digestWith: (wrap: Buffer) => Buffer;
}

/** A table with wraps under group keys. */
export interface WrapTable {
  /** As the event of a move names it; keys of parts are among those of contents. */
  readonly purpose: Extract<WrapPurpose, 'dek' | 'cell' | 'page'>;
  /** Before the first place. */
  readonly start: (group: number) => string;
  /** Stale rows behind `after`, at most a bounded number. */
  stale(client: Queryable, at: ReplacedGroup, after: string): Promise<StaleWrap[]>;
  /** Puts `fresh` in the place of those that are still what was read; how many. */
  replace(
    client: Queryable,
    at: ReplacedGroup,
    wraps: readonly StaleWrap[],
    fresh: readonly Buffer[],
    event: EventId,
  ): Promise<number>;
}

/** Bytes 2 to 5 of a wrap: the version of its parent key (docs/formats/wrap.md). */
const versionOf = (wrap: string): string =>
  `(get_byte(${wrap}, 2)::bigint << 24 | get_byte(${wrap}, 3) << 16 | get_byte(${wrap}, 4) << 8 | get_byte(${wrap}, 5))`;

const wrapRows = 256;
const cellRows = 128;
/** Pages have tens of kilobytes each. */
const pageRows = 16;
const groupsRound = 64;

const selectWraps = statement<{ id: string; wrap: Buffer; part: boolean }>(
  'archive.stale.wraps',
  `SELECT w.content_id::text AS id, w.wrap, w.part FROM content_wrap w
    WHERE w.custodian_id = $1 AND w.group_no = $2 AND ${versionOf('w.wrap')} < $3 AND w.content_id > $4::uuid
    ORDER BY w.content_id LIMIT ${String(wrapRows)}`,
);
const replaceWraps = statement(
  'archive.stale.replace-wraps',
  `UPDATE content_wrap w SET wrap = u.fresh, digest = u.digest, event_id = $2
     FROM unnest($3::uuid[], $4::bytea[], $5::bytea[], $6::bytea[]) AS u (id, old, fresh, digest)
    WHERE w.custodian_id = $1 AND w.content_id = u.id AND w.wrap = u.old`,
);
const selectCells = statement<{ id: string; no: string; wrap: Buffer; sealed: Buffer }>(
  'archive.stale.cells',
  `SELECT m.record_id::text AS id, m.record_no::text AS no, m.wrap, m.cell AS sealed FROM metadata_cell m
    WHERE m.custodian_id = $1 AND m.record_no > $4::int8 AND m.record_no < ($2::int8 + 1) * ${String(recordsPerGroup)}
      AND ${versionOf('m.wrap')} < $3
    ORDER BY m.record_no LIMIT ${String(cellRows)}`,
);
const replaceCells = statement(
  'archive.stale.replace-cells',
  `UPDATE metadata_cell m SET wrap = u.fresh, digest = u.digest
     FROM unnest($2::int8[], $3::uuid[], $4::bytea[], $5::bytea[], $6::bytea[]) AS u (no, id, old, fresh, digest)
    WHERE m.custodian_id = $1 AND m.record_no = u.no AND m.record_id = u.id AND m.wrap = u.old`,
);
const selectPages = statement<{
  id: string;
  first: string;
  last: string;
  wrap: Buffer;
  sealed: Buffer;
}>(
  'archive.stale.pages',
  `SELECT p.page_id::text AS id, p.first_no::text AS first, p.last_no::text AS last, p.wrap, p.page AS sealed
     FROM metadata_page p
    WHERE p.custodian_id = $1 AND p.first_no > $4::int8 AND p.first_no < ($2::int8 + 1) * ${String(recordsPerGroup)}
      AND ${versionOf('p.wrap')} < $3
    ORDER BY p.first_no LIMIT ${String(pageRows)}`,
);
const replacePages = statement(
  'archive.stale.replace-pages',
  `UPDATE metadata_page p SET wrap = u.fresh, digest = u.digest
     FROM unnest($2::uuid[], $3::bytea[], $4::bytea[], $5::bytea[]) AS u (id, old, fresh, digest)
    WHERE p.custodian_id = $1 AND p.page_id = u.id AND p.wrap = u.old`,
);
const selectReplaced = statement<{ custodian_id: string; group_no: string; live: number }>(
  'archive.stale.groups',
  `SELECT DISTINCT g.custodian_id::text, g.group_no::text, l.version AS live
     FROM (SELECT custodian_id, group_no FROM group_key
            WHERE state = 'retired' AND (custodian_id, group_no) > ($1::uuid, $2::int8)
            ORDER BY custodian_id, group_no LIMIT ${String(groupsRound)}) g
     JOIN group_key l USING (custodian_id, group_no) WHERE l.state = 'live'`,
);
const countReplaced = statement<{ groups: string }>(
  'archive.stale.count-groups',
  `SELECT count(*) AS groups FROM (SELECT DISTINCT custodian_id, group_no FROM group_key WHERE state = 'retired') g`,
);
const lockWriters = statement(
  'archive.stale.lock-writers',
  'SELECT pg_advisory_xact_lock($1::int4, $2::int4)',
);
const selectLeft = statement(
  'archive.stale.left',
  `SELECT FROM content_wrap w WHERE w.custodian_id = $1 AND w.group_no = $2 AND ${versionOf('w.wrap')} < $3
   UNION ALL
   SELECT FROM metadata_cell m WHERE m.custodian_id = $1 AND m.record_no >= $2::int8 * ${String(recordsPerGroup)}
      AND m.record_no < ($2::int8 + 1) * ${String(recordsPerGroup)} AND ${versionOf('m.wrap')} < $3
   UNION ALL
   SELECT FROM metadata_page p WHERE p.custodian_id = $1 AND p.first_no >= $2::int8 * ${String(recordsPerGroup)}
      AND p.first_no < ($2::int8 + 1) * ${String(recordsPerGroup)} AND ${versionOf('p.wrap')} < $3
   LIMIT 1`,
);
const destroyVersions = statement(
  'archive.stale.destroy',
  `UPDATE group_key SET state = 'destroyed', wrap = NULL, destroyed_at = now(), event_id = $4
    WHERE custodian_id = $1 AND group_no = $2 AND version < $3 AND state = 'retired'`,
);

const beforeGroup = (group: number): string => String(group * recordsPerGroup - 1);

/** In the order in which a group is gone through. */
export const wrapTables: readonly WrapTable[] = [
  {
    purpose: 'dek',
    start: () => '00000000-0000-0000-0000-000000000000',
    async stale(client, { custodian, group, live }, after) {
      const rows = await selectWraps.rows(client, [custodian, group, live, after]);
      return rows.map(({ id, wrap, part }) => ({
        objectId: id,
        wrap,
        purpose: part ? 'part' : 'dek',
        place: id,
        digestWith: (fresh) => wrapRowDigest({ custodian, contentId: id, group, wrap: fresh }),
      }));
    },
    replace: (client, { custodian }, wraps, fresh, event) =>
      replaceWraps.run(client, [custodian, event, idsOf(wraps), ...changeOf(wraps, fresh)]),
  },
  {
    purpose: 'cell',
    start: beforeGroup,
    async stale(client, { custodian, group, live }, after) {
      const rows = await selectCells.rows(client, [custodian, group, live, after]);
      return rows.map(({ id, no, wrap, sealed }) => ({
        objectId: id,
        wrap,
        purpose: 'cell',
        place: no,
        digestWith: (fresh) =>
          cellRowDigest({
            custodian,
            recordId: id,
            recordNo: Number(no),
            cell: sealed,
            wrap: fresh,
          }),
      }));
    },
    replace: (client, { custodian }, wraps, fresh) => {
      const numbers = int8Array(wraps.map(({ place }) => Number(place)));
      return replaceCells.run(client, [
        custodian,
        numbers,
        idsOf(wraps),
        ...changeOf(wraps, fresh),
      ]);
    },
  },
  {
    purpose: 'page',
    start: beforeGroup,
    async stale(client, { custodian, group, live }, after) {
      const rows = await selectPages.rows(client, [custodian, group, live, after]);
      return rows.map(({ id, first, last, wrap, sealed }) => ({
        objectId: id,
        wrap,
        purpose: 'page',
        place: first,
        digestWith: (fresh) =>
          pageRowDigest({
            ...{ custodian, pageId: id, page: sealed, wrap: fresh },
            ...{ firstNo: Number(first), lastNo: Number(last) },
          }),
      }));
    },
    replace: (client, { custodian }, wraps, fresh) =>
      replacePages.run(client, [custodian, idsOf(wraps), ...changeOf(wraps, fresh)]),
  },
];

const idsOf = (wraps: readonly StaleWrap[]): Buffer =>
  uuidArray(wraps.map(({ objectId }) => objectId));

/** What was read, what takes its place, and the digest of the row then. */
function changeOf(wraps: readonly StaleWrap[], fresh: readonly Buffer[]): Buffer[] {
  return [
    byteaArray(wraps.map(({ wrap }) => wrap)),
    byteaArray(fresh),
    byteaArray(wraps.map(({ digestWith }, i) => digestWith(fresh[i] ?? Buffer.alloc(0)))),
  ];
}

/** Groups with a retired key behind (custodian, group), in their order. */
export async function replacedGroups(
  client: Queryable,
  after: readonly [string, number],
): Promise<ReplacedGroup[]> {
  const rows = await selectReplaced.rows(client, after);
  return rows
    .map(({ custodian_id: custodian, group_no: group, live }) => ({
      custodian: custodian as CustodianId,
      group: Number(group),
      live,
    }))
    .sort((a, b) =>
      a.custodian < b.custodian ? -1 : a.custodian > b.custodian ? 1 : a.group - b.group,
    );
}

export async function replacedGroupCount(client: Queryable): Promise<number> {
  return Number((await countReplaced.first(client))?.groups ?? 0);
}

/**
 * Ends the replaced versions of a group, in the transaction of `event`; false if a wrap under them is left.
 * No batch of a committer is under way meanwhile, and one that comes later with such a wrap is refused by the
 * database, so nothing that was acknowledged can hang under what ends here.
 */
export async function destroyReplaced(
  client: Queryable,
  organisation: OrganisationId,
  { custodian, group, live }: ReplacedGroup,
  event: EventId,
): Promise<boolean> {
  await lockWriters.run(client, governanceLockKey(organisation));
  if ((await selectLeft.run(client, [custodian, group, live])) > 0) return false;
  await destroyVersions.run(client, [custodian, group, live, event]);
  return true;
}
