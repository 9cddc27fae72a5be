// Destroys one record of one custodian (architecture §3): its metadata and the key of it, where that is a
// page's by sealing the others again (docs/formats/cell.md); the content's wrap, and those of its parts, with the custodian's last record; the content's row with the last wrap. An operation of its own
// batch; the content row is locked by its tag, so that no duplicate can be taken in at the same time.
import { PostsealError } from '../kernel/errors.ts';
import type { ContentId, EventId } from '../kernel/ids.ts';
import { int8Array, uuidArray } from '../platform/postgres/binary-arrays.ts';
import type { Database } from '../platform/postgres/database.ts';
import { statement } from '../platform/postgres/statement.ts';
import type { BatchTx, PartKind } from './committer/types.ts';
import { groupOf, type PartOfBody } from './record-draft.ts';
import { type PageSuccession, succeedPage } from './page-rows.store.ts';
import type { RecordRef } from './types.ts';

export interface ShredInput {
  readonly ref: RecordRef;
  readonly contentId: ContentId;
  readonly tag: Buffer;
  /** Of a recipe; none for a content that is stored whole. */
  readonly parts: readonly PartOfBody[];
  /** Where the record's metadata was found. */
  metadata: ShredMetadata;
  /** Finds it again, after a fold or another shred moved it. */
  readonly locate: () => Promise<ShredMetadata>;
}

export interface ShredMetadata {
  readonly cell: boolean;
  /** What takes the place of the record's page. */
  readonly page: PageSuccession | undefined;
}

export interface Shredded {
  readonly wrapDestroyed: boolean;
  readonly contentDestroyed: boolean;
}

const findRecord = statement<{
  content_id: string;
  dedup_tag: Buffer;
  dedup_domain: string;
  parts: string[] | null;
}>(
  'archive.shred.find',
  `SELECT r.content_id::text, r.dedup_domain::text, c.dedup_tag, c.parts::text[] FROM record r
     JOIN content c ON c.dedup_domain = r.dedup_domain AND c.content_id = r.content_id
    WHERE r.custodian_id = $1 AND r.record_id = $2 AND r.record_no = $3`,
);
const findParts = statement<{ content_id: string; dedup_tag: Buffer }>(
  'archive.shred.find-parts',
  `SELECT content_id::text, dedup_tag FROM content
    WHERE dedup_domain = $1 AND content_id = ANY ($2::uuid[]) ORDER BY content.content_id`,
);
// A row that goes away carries the event of its deletion (migration 0001), so each is named first.
const nameRecord = statement(
  'archive.shred.name-record',
  'UPDATE record SET event_id = $3 WHERE custodian_id = $1 AND record_id = $2',
);
const deleteRecord = statement(
  'archive.shred.record',
  'DELETE FROM record WHERE custodian_id = $1 AND record_id = $2',
);
const deleteCell = statement(
  'archive.shred.cell',
  'DELETE FROM metadata_cell WHERE custodian_id = $1 AND record_no = $2 AND record_id = $3',
);
const lockWrap = statement<{ group_no: number; refs: number }>(
  'archive.shred.lock-wrap',
  `SELECT group_no, refs FROM content_wrap WHERE custodian_id = $1 AND content_id = $2 FOR UPDATE`,
);
const keepWrap = statement(
  'archive.shred.keep-wrap',
  `UPDATE content_wrap SET refs = refs - 1, event_id = $3 WHERE custodian_id = $1 AND content_id = $2`,
);
const nameWrap = statement(
  'archive.shred.name-wrap',
  'UPDATE content_wrap SET event_id = $3 WHERE custodian_id = $1 AND content_id = $2',
);
const deleteWrap = statement(
  'archive.shred.wrap',
  'DELETE FROM content_wrap WHERE custodian_id = $1 AND content_id = $2',
);
// Every wrap that is not the first of its content is in the partial index behind `extra`.
const nextHolder = statement<{ custodian_id: string }>(
  'archive.shred.next-holder',
  `SELECT w.custodian_id::text FROM content c JOIN content_wrap w ON w.content_id = c.content_id
    WHERE c.dedup_domain = $1 AND c.content_id = $2 AND w.extra AND w.custodian_id <> $3
    ORDER BY w.custodian_id LIMIT 1`,
);
const selectHolder = statement<{ holder_id: string }>(
  'archive.shred.holder',
  'SELECT holder_id::text FROM content WHERE dedup_domain = $1 AND content_id = $2',
);
const setHolder = statement(
  'archive.shred.set-holder',
  'UPDATE content SET holder_id = $3, event_id = $4 WHERE dedup_domain = $1 AND content_id = $2',
);
const deleteContent = statement(
  'archive.shred.content',
  'DELETE FROM content WHERE dedup_domain = $1 AND content_id = $2',
);
// After a restore a record may be shredded once more: what its wraps hung under when it was erased stays known.
// Their keys change at the next key generation, from when on old backups of the wraps open nothing; which
// version of them the erased wraps hung under says when.
const markGroups = statement(
  'archive.shred.mark-groups',
  `WITH marked AS (
     UPDATE group_key SET marked = true, event_id = $3
      WHERE custodian_id = $1 AND group_no = ANY ($2::int8[]) AND state = 'live'
     RETURNING group_no, version)
   INSERT INTO erased_record AS known (custodian_id, record_id, group_no, version, event_id)
   SELECT $1, $4, group_no, version, $3 FROM marked
   ON CONFLICT (custodian_id, record_id, group_no)
     DO UPDATE SET event_id = excluded.event_id`,
);

/** Content, dedup tag and parts of a record; undefined if there is no such record. */
export async function findShred(
  db: Database,
  ref: RecordRef,
): Promise<Pick<ShredInput, 'contentId' | 'tag' | 'parts'> | undefined> {
  const row = await findRecord.first(db.pool, [ref.custodian, ref.recordId, ref.recordNo]);
  if (row === undefined) return undefined;
  const found =
    row.parts === null
      ? []
      : await findParts.rows(db.pool, [row.dedup_domain, uuidArray(row.parts)]);
  const parts = found.map((part) => ({
    contentId: part.content_id as ContentId,
    tag: part.dedup_tag,
  }));
  return { contentId: row.content_id as ContentId, tag: row.dedup_tag, parts };
}

export const shredKind: PartKind<ShredInput, Shredded> = {
  name: 'archive.shred',
  stage: 900,
  exclusive: true,
  locks: ({ tag, parts }) => ({ contents: [tag, ...parts.map((part) => part.tag)] }),
  apply: async (tx, items) => {
    const answers: (Shredded | PostsealError)[] = [];
    for (const { input, event } of items) answers.push(await shredOne(tx, input, event));
    return answers;
  },
  recover: async (input, error) => {
    if (error.code !== 'store.conflict') return false;
    input.metadata = await input.locate();
    return true;
  },
};

async function shredOne(
  tx: BatchTx,
  { ref, contentId, parts, metadata }: ShredInput,
  event: EventId,
): Promise<Shredded | PostsealError> {
  const { client } = tx;
  const { custodian, recordId, recordNo } = ref;
  if ((await nameRecord.run(client, [custodian, recordId, event])) === 0) {
    return new PostsealError('key.destroyed', { record: recordId });
  }
  await deleteRecord.run(client, [custodian, recordId]);
  if (!(await destroyMetadata(tx, ref, metadata))) {
    return new PostsealError('store.conflict', { record: recordId });
  }
  const groups = new Set([groupOf(recordNo)]);
  const wrapDestroyed = await letWrapGo(tx, custodian, contentId, { event, groups });
  // With the custodian's last wrap of a recipe its parts are held once less; another message keeps what it has.
  const left: ContentId[] = [];
  for (const part of wrapDestroyed ? parts : []) {
    if (await letWrapGo(tx, custodian, part.contentId, { event, groups }))
      left.push(part.contentId);
  }
  await mark(tx, ref, groups, event);
  const contentDestroyed = wrapDestroyed && (await leaveContent(tx, custodian, contentId, event));
  for (const part of left) await leaveContent(tx, custodian, part, event);
  return { wrapDestroyed, contentDestroyed };
}

/** Counts a wrap down; with the last count it goes (true), and its group is one whose key must change. */
async function letWrapGo(
  { client }: BatchTx,
  custodian: string,
  contentId: ContentId,
  { event, groups }: { readonly event: EventId; readonly groups: Set<number> },
): Promise<boolean> {
  const held = await lockWrap.first(client, [custodian, contentId]);
  if (held === undefined) throw new PostsealError('internal', { what: 'record without wrap' });
  if (held.refs > 1) {
    await keepWrap.run(client, [custodian, contentId, event]);
    return false;
  }
  groups.add(held.group_no);
  await nameWrap.run(client, [custodian, contentId, event]);
  await deleteWrap.run(client, [custodian, contentId]);
  return true;
}

/**
 * A switch may put a new version in the place of a live one just now: the statement then finds neither, and
 * once more finds the new one. @throws PostsealError `store.conflict` where groups have no live key.
 */
async function mark(
  { client }: BatchTx,
  { custodian, recordId }: RecordRef,
  groups: ReadonlySet<number>,
  event: EventId,
): Promise<void> {
  const values = [custodian, int8Array([...groups]), event, recordId];
  if ((await markGroups.run(client, values)) === groups.size) return;
  if ((await markGroups.run(client, values)) === groups.size) return;
  throw new PostsealError('store.conflict', { record: recordId });
}

/** False if the metadata is not where it was found. */
async function destroyMetadata(
  { client }: BatchTx,
  ref: RecordRef,
  { cell, page }: ShredMetadata,
): Promise<boolean> {
  const { custodian, recordNo, recordId } = ref;
  const cells = await deleteCell.run(client, [custodian, recordNo, recordId]);
  if (cells !== (cell ? 1 : 0)) return false;
  return page === undefined || (await succeedPage(client, ref, page));
}

/** The custodian's wrap is gone: another holder, or the end of the content (answers true). */
async function leaveContent(
  tx: BatchTx,
  custodian: string,
  contentId: ContentId,
  event: EventId,
): Promise<boolean> {
  const { client, organisation } = tx;
  const content = await selectHolder.first(client, [organisation, contentId]);
  if (content?.holder_id !== custodian) return false;
  const next = await nextHolder.first(client, [organisation, contentId, custodian]);
  const holder = next?.custodian_id ?? custodian;
  await setHolder.run(client, [organisation, contentId, holder, event]);
  if (next !== undefined) return false;
  await deleteContent.run(client, [organisation, contentId]);
  return true;
}
