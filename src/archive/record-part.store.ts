// The part that stores records: contents, wraps, records, cells. One statement a table and batch.
// A content that another process stored first, or that was shredded meanwhile, makes its operation a
// conflict; the archive then chooses again (recover) and the operation runs once more.
import { type ErrorCode, PostsealError } from '../kernel/errors.ts';
import type { ContentId, CustodianId, EventId, PackId } from '../kernel/ids.ts';
import {
  boolArray,
  byteaArray,
  int4Array,
  int8Array,
  textArray,
  uuidArray,
} from '../platform/postgres/binary-arrays.ts';
import { statement } from '../platform/postgres/statement.ts';
import type { PackRef } from '../vault/packs/body-store.ts';
import type { BatchTx, PartItem, PartKind } from './committer/types.ts';
import { pairOf, storePartWraps } from './part-wraps.store.ts';
import { groupOf, type RecordDraft, type SealedBody } from './record-draft.ts';
import { cellRowDigest, wrapRowDigest } from './row-digest.ts';
import type { StoredRecord } from './types.ts';

export interface RecordKindDeps {
  /** Resolves when the body is durable. */
  readonly sync: (place: PackRef) => Promise<void>;
  /** Chooses another content for a draft after a conflict. */
  readonly chooseAgain: (draft: RecordDraft) => Promise<void>;
  /** The draft's sealed body and keys are not needed any more. */
  readonly release: (draft: RecordDraft, committed: boolean) => void;
}

/** Errors after which another content can be chosen, or the same bytes be sealed and written again. */
const recoverable: ReadonlySet<ErrorCode> = new Set(['store.conflict', 'store.write-failed']);

const insertContents = statement<{ content_id: string }>(
  'archive.content.insert',
  `INSERT INTO content (dedup_domain, content_id, dedup_tag, dedup_version, holder_id, size,
     pack_id, pack_offset, pack_length, pack_digest, event_id)
   SELECT $1::uuid, * FROM unnest($2::uuid[], $3::bytea[], $4::int4[], $5::uuid[], $6::int8[],
     $7::uuid[], $8::int8[], $9::int8[], $10::bytea[], $11::uuid[])
   ON CONFLICT DO NOTHING RETURNING content_id::text`,
);
// The same where a recipe is among them; its parts come as the text of an array. Apart, so that the plan and the
// octets of all other batches stay what they are.
const insertWithParts = statement<{ content_id: string }>(
  'archive.content.insert-with-parts',
  `INSERT INTO content (dedup_domain, content_id, dedup_tag, dedup_version, holder_id, size,
     pack_id, pack_offset, pack_length, pack_digest, event_id, parts)
   SELECT $1::uuid, content_id, tag, version, holder, size, pack, at, length, digest, event,
          nullif(parts, '')::uuid[]
     FROM unnest($2::uuid[], $3::bytea[], $4::int4[], $5::uuid[], $6::int8[], $7::uuid[], $8::int8[],
       $9::int8[], $10::bytea[], $11::uuid[], $12::text[])
       AS made (content_id, tag, version, holder, size, pack, at, length, digest, event, parts)
   ON CONFLICT DO NOTHING RETURNING content_id::text`,
);
const insertPacks = statement(
  'archive.pack.insert',
  `INSERT INTO pack (pack_id, kind) SELECT * FROM unnest($1::uuid[], $2::text[])
   ON CONFLICT DO NOTHING`,
);
const addWrapsText = `INSERT INTO content_wrap AS held
     (dedup_domain, custodian_id, content_id, group_no, wrap, refs, extra, digest, event_id)
   SELECT $1::uuid, * FROM unnest($2::uuid[], $3::uuid[], $4::int4[], $5::bytea[], $6::int4[],
     $7::bool[], $8::bytea[], $9::uuid[])
   ON CONFLICT (custodian_id, content_id)
     DO UPDATE SET refs = held.refs + excluded.refs, event_id = excluded.event_id`;
const addWraps = statement<AddedWrap>('archive.wrap.add', addWrapsText);
// A row with no more references than were brought was made by it: the custodian did not hold the recipe before.
const addRecipes = statement<AddedWrap>(
  'archive.wrap.add-recipes',
  `${addWrapsText} RETURNING held.custodian_id::text, held.content_id::text, held.refs`,
);
const reuseWraps = statement<{ custodian_id: string; content_id: string }>(
  'archive.wrap.reuse',
  `UPDATE content_wrap AS held SET refs = held.refs + more.refs, event_id = more.event
     FROM unnest($1::uuid[], $2::uuid[], $3::int4[], $4::uuid[]) AS more (custodian, content, refs, event)
    WHERE held.custodian_id = more.custodian AND held.content_id = more.content
   RETURNING held.custodian_id::text, held.content_id::text`,
);
const insertRecords = statement(
  'archive.record.insert',
  `INSERT INTO record (dedup_domain, custodian_id, record_id, record_no, content_id, size, source, event_id)
   SELECT $1::uuid, * FROM unnest($2::uuid[], $3::uuid[], $4::int8[], $5::uuid[], $6::int8[],
     $7::text[], $8::uuid[])`,
);
const insertCells = statement(
  'archive.cell.insert',
  `INSERT INTO metadata_cell (custodian_id, record_no, record_id, cell, wrap, digest)
   SELECT * FROM unnest($1::uuid[], $2::int8[], $3::uuid[], $4::bytea[], $5::bytea[], $6::bytea[])`,
);

interface AddedWrap {
  readonly custodian_id: string;
  readonly content_id: string;
  readonly refs: number;
}

type Item = PartItem<RecordDraft>;

/** The kind of the record part; one for each archive. */
export function createRecordKind(deps: RecordKindDeps): PartKind<RecordDraft, StoredRecord> {
  const registered = new Set<PackId>();
  return {
    name: 'archive.record',
    stage: 100,
    locks: ({ tag, content }) => {
      const contents = content.parts.filter(needsLock).map((part) => part.tag);
      if (needsLock(content)) contents.push(tag);
      return contents.length === 0 ? {} : { contents };
    },
    settle: (drafts) => Promise.all(drafts.map((draft) => durable(deps, draft))),
    apply: (tx, items) => storeRecords(tx, items, registered),
    async recover(draft, error) {
      if (!recoverable.has(error.code)) return false;
      await deps.chooseAgain(draft);
      return true;
    },
    finished(draft, committed) {
      for (const { sealed } of [draft.content, ...draft.content.parts]) {
        if (committed && sealed !== undefined) registered.add(sealed.place.pack);
      }
      deps.release(draft, committed);
    },
  };
}

/** A body that nobody else can know yet needs no lock: inserting its row is one. */
const needsLock = ({ sealed }: { readonly sealed: SealedBody | undefined }): boolean =>
  sealed === undefined || sealed.holders.size !== 1 || sealed.stored;

async function durable(
  deps: RecordKindDeps,
  { content }: RecordDraft,
): Promise<PostsealError | undefined> {
  const waits: Promise<void>[] = [];
  for (const { sealed } of [content, ...content.parts]) {
    if (sealed === undefined || sealed.stored || sealed.large) continue;
    waits.push(deps.sync(sealed.place));
  }
  try {
    await Promise.all(waits);
    return undefined;
  } catch (error) {
    return error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
  }
}

async function storeRecords(
  tx: BatchTx,
  items: readonly Item[],
  registered: ReadonlySet<PackId>,
): Promise<readonly (StoredRecord | PostsealError)[]> {
  const bodies = newBodies(tx, items);
  // Sent in this order without waiting in between.
  const [inserted, , lacking, reused] = await Promise.all([
    storeContents(tx, bodies),
    storePacks(tx, bodies, registered),
    storeWraps(tx, items, bodies),
    countReuse(tx, items),
    storeRecordRows(tx, items),
    storeCells(tx, items),
  ]);
  return items.map(({ input }) => {
    const { custodian, recordId, recordNo, size, content } = input;
    const there = [{ ...content, tag: input.tag }, ...content.parts].every(
      ({ contentId, tag }) =>
        inserted.has(contentId) || tx.lockedContents.get(tag.toString('hex')) === contentId,
    );
    const held =
      content.holding.kind === 'wrap' || reused.has(pairOf(custodian, content.contentId));
    const whole = !content.parts.some(({ contentId }) => lacking.has(pairOf(custodian, contentId)));
    if (!there || !held || !whole) return new PostsealError('store.conflict', { record: recordId });
    return { custodian, recordId, recordNo, size, contentId: content.contentId };
  });
}

interface NewBody {
  readonly sealed: SealedBody;
  readonly custodian: CustodianId;
  readonly tag: Buffer;
  readonly tagVersion: number;
  readonly size: number;
  readonly event: EventId;
}

/** Bodies whose row is not there yet, each once, by tag: two processes insert in the same order. */
function newBodies(tx: BatchTx, items: readonly Item[]): ReadonlyMap<ContentId, NewBody> {
  const found: NewBody[] = [];
  for (const { input, event } of items) {
    const { custodian, tagVersion, content } = input;
    const own = { tag: input.tag, size: input.size, sealed: content.sealed };
    for (const { tag, size, sealed } of content.parts.length === 0
      ? [own]
      : [own, ...content.parts]) {
      if (sealed === undefined || sealed.stored) continue;
      if (tx.lockedContents.get(tag.toString('hex')) === sealed.contentId) continue;
      found.push({ sealed, custodian, tag, tagVersion, size, event });
    }
  }
  found.sort((a, b) => Buffer.compare(a.tag, b.tag));
  const once = new Map<ContentId, NewBody>();
  for (const body of found) {
    if (!once.has(body.sealed.contentId)) once.set(body.sealed.contentId, body);
  }
  return once;
}

async function storeContents(
  tx: BatchTx,
  bodies: ReadonlyMap<ContentId, NewBody>,
): Promise<ReadonlySet<string>> {
  if (bodies.size === 0) return new Set();
  const all = [...bodies.values()];
  const values = [
    tx.organisation,
    uuidArray(all.map(({ sealed }) => sealed.contentId)),
    byteaArray(all.map(({ tag }) => tag)),
    int4Array(all.map(({ tagVersion }) => tagVersion)),
    uuidArray(all.map(({ custodian }) => custodian)),
    int8Array(all.map(({ size }) => size)),
    uuidArray(all.map(({ sealed }) => sealed.place.pack)),
    int8Array(all.map(({ sealed }) => sealed.place.offset)),
    int8Array(all.map(({ sealed }) => sealed.place.length)),
    byteaArray(all.map(({ sealed }) => sealed.place.sha256)),
    uuidArray(all.map(({ event }) => event)),
  ];
  const rows = all.some(({ sealed }) => sealed.parts.length > 0)
    ? await insertWithParts.rows(tx.client, [...values, textArray(all.map(partsText))])
    : await insertContents.rows(tx.client, values);
  return new Set(rows.map((row) => row.content_id));
}

const partsText = ({ sealed: { parts } }: NewBody): string =>
  parts.length === 0 ? '' : `{${parts.map(({ contentId }) => contentId).join()}}`;

async function storePacks(
  tx: BatchTx,
  bodies: ReadonlyMap<ContentId, NewBody>,
  registered: ReadonlySet<PackId>,
): Promise<void> {
  const packs = new Map<PackId, 'shared' | 'single'>();
  for (const { sealed } of bodies.values()) {
    if (!registered.has(sealed.place.pack)) {
      packs.set(sealed.place.pack, sealed.large ? 'single' : 'shared');
    }
  }
  if (packs.size === 0) return;
  const sorted = [...packs].sort(([a], [b]) => (a < b ? -1 : 1));
  await insertPacks.run(tx.client, [
    uuidArray(sorted.map(([pack]) => pack)),
    textArray(sorted.map(([, kind]) => kind)),
  ]);
}

interface NewWrap {
  readonly draft: RecordDraft;
  readonly wrap: Uint8Array;
  readonly event: EventId;
  refs: number;
}

async function storeWraps(
  tx: BatchTx,
  items: readonly Item[],
  bodies: ReadonlyMap<ContentId, NewBody>,
): Promise<ReadonlySet<string>> {
  const wraps = new Map<string, NewWrap>();
  for (const { input, event } of items) {
    const { contentId, holding } = input.content;
    if (holding.kind !== 'wrap') continue;
    const pair = pairOf(input.custodian, contentId);
    const known = wraps.get(pair);
    if (known === undefined) wraps.set(pair, { draft: input, wrap: holding.wrap, event, refs: 1 });
    else known.refs += 1;
  }
  if (wraps.size === 0) return new Set();
  const all = [...wraps.values()];
  const holderOf = (content: ContentId): CustodianId | undefined => bodies.get(content)?.custodian;
  const values = [
    tx.organisation,
    uuidArray(all.map(({ draft }) => draft.custodian)),
    uuidArray(all.map(({ draft }) => draft.content.contentId)),
    int4Array(all.map(({ draft }) => groupOf(draft.recordNo))),
    byteaArray(all.map(({ wrap }) => wrap)),
    int4Array(all.map(({ refs }) => refs)),
    boolArray(all.map(({ draft }) => holderOf(draft.content.contentId) !== draft.custodian)),
    byteaArray(
      all.map(({ draft, wrap }) =>
        wrapRowDigest({
          custodian: draft.custodian,
          contentId: draft.content.contentId,
          group: groupOf(draft.recordNo),
          wrap,
        }),
      ),
    ),
    uuidArray(all.map(({ event }) => event)),
  ];
  if (all.every(({ draft }) => draft.content.parts.length === 0)) {
    await addWraps.run(tx.client, values);
    return new Set();
  }
  const rows = await addRecipes.rows(tx.client, values);
  const refsOf = new Map(rows.map((row) => [`${row.custodian_id} ${row.content_id}`, row.refs]));
  const recipes = all.filter(
    ({ draft, refs }) => refsOf.get(pairOf(draft.custodian, draft.content.contentId)) === refs,
  );
  return storePartWraps(tx, recipes, holderOf);
}

async function countReuse(tx: BatchTx, items: readonly Item[]): Promise<ReadonlySet<string>> {
  const reuse = new Map<string, { item: Item; refs: number }>();
  for (const item of items) {
    const { custodian, content } = item.input;
    if (content.holding.kind !== 'own') continue;
    const pair = pairOf(custodian, content.contentId);
    const known = reuse.get(pair);
    if (known === undefined) reuse.set(pair, { item, refs: 1 });
    else known.refs += 1;
  }
  if (reuse.size === 0) return new Set();
  const all = [...reuse.values()];
  const rows = await reuseWraps.rows(tx.client, [
    uuidArray(all.map(({ item }) => item.input.custodian)),
    uuidArray(all.map(({ item }) => item.input.content.contentId)),
    int4Array(all.map(({ refs }) => refs)),
    uuidArray(all.map(({ item }) => item.event)),
  ]);
  return new Set(rows.map((row) => `${row.custodian_id} ${row.content_id}`));
}

async function storeRecordRows(tx: BatchTx, items: readonly Item[]): Promise<void> {
  await insertRecords.run(tx.client, [
    tx.organisation,
    uuidArray(items.map(({ input }) => input.custodian)),
    uuidArray(items.map(({ input }) => input.recordId)),
    int8Array(items.map(({ input }) => input.recordNo)),
    uuidArray(items.map(({ input }) => input.content.contentId)),
    int8Array(items.map(({ input }) => input.size)),
    textArray(items.map(({ input }) => input.source)),
    uuidArray(items.map(({ event }) => event)),
  ]);
}

async function storeCells(tx: BatchTx, items: readonly Item[]): Promise<void> {
  await insertCells.run(tx.client, [
    uuidArray(items.map(({ input }) => input.custodian)),
    int8Array(items.map(({ input }) => input.recordNo)),
    uuidArray(items.map(({ input }) => input.recordId)),
    byteaArray(items.map(({ input }) => input.cell)),
    byteaArray(items.map(({ input }) => input.cellWrap)),
    byteaArray(items.map(({ input }) => cellRowDigest({ ...input, wrap: input.cellWrap }))),
  ]);
}
