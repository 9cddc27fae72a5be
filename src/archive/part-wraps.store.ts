// Wraps of the parts of recipes (docs/formats/recipe.md): a custodian who comes to hold a recipe holds each of its
// parts once more with it. Only batches with a new wrap of a recipe send any of this.
import type { ContentId, CustodianId, EventId } from '../kernel/ids.ts';
import { boolArray, byteaArray, int4Array, uuidArray } from '../platform/postgres/binary-arrays.ts';
import { statement } from '../platform/postgres/statement.ts';
import type { BatchTx } from './committer/types.ts';
import { type ChosenPart, groupOf, type RecordDraft } from './record-draft.ts';
import { wrapRowDigest } from './row-digest.ts';

const addParts = statement(
  'archive.wrap.add-parts',
  `INSERT INTO content_wrap AS held
     (dedup_domain, custodian_id, content_id, group_no, wrap, refs, extra, digest, event_id, part)
   SELECT $1::uuid, *, true FROM unnest($2::uuid[], $3::uuid[], $4::int4[], $5::bytea[], $6::int4[],
     $7::bool[], $8::bytea[], $9::uuid[])
   ON CONFLICT (custodian_id, content_id)
     DO UPDATE SET refs = held.refs + excluded.refs, event_id = excluded.event_id`,
);
const reuseParts = statement<{ custodian_id: string; content_id: string }>(
  'archive.wrap.reuse-parts',
  `UPDATE content_wrap AS held SET refs = held.refs + more.refs, event_id = more.event
     FROM unnest($1::uuid[], $2::uuid[], $3::int4[], $4::uuid[]) AS more (custodian, content, refs, event)
    WHERE held.custodian_id = more.custodian AND held.content_id = more.content
   RETURNING held.custodian_id::text, held.content_id::text`,
);

export interface RecipeHolding {
  readonly draft: RecordDraft;
  readonly event: EventId;
}

/** A part as one recipe of a custodian brings it. */
interface Use {
  readonly draft: RecordDraft;
  readonly part: ChosenPart;
  readonly event: EventId;
  refs: number;
}

/** Of a custodian and a content. */
export const pairOf = (custodian: CustodianId, content: ContentId): string =>
  `${custodian} ${content}`;

/**
 * Counts the parts of `recipes`, whose wraps this transaction inserted. `firstOf` tells whose wrap is the first of a
 * content that this transaction inserts. Answers what the custodian has no wrap of, for all that was chosen.
 */
export async function storePartWraps(
  tx: BatchTx,
  recipes: readonly RecipeHolding[],
  firstOf: (part: ContentId) => CustodianId | undefined,
): Promise<ReadonlySet<string>> {
  const fresh = new Map<string, Use>();
  const own = new Map<string, Use>();
  for (const { draft, event } of recipes) {
    for (const part of draft.content.parts) {
      const uses = part.holding.kind === 'wrap' ? fresh : own;
      const pair = pairOf(draft.custodian, part.contentId);
      const known = uses.get(pair);
      if (known === undefined) uses.set(pair, { draft, part, event, refs: 1 });
      else known.refs += 1;
    }
  }
  const added = fresh.size === 0 ? undefined : addWraps(tx, [...fresh.values()], firstOf);
  const counted = own.size === 0 ? [] : await countOwn(tx, [...own.values()]);
  await added;
  const held = new Set(counted.map((row) => `${row.custodian_id} ${row.content_id}`));
  return new Set([...own.keys()].filter((pair) => !held.has(pair)));
}

function addWraps(
  tx: BatchTx,
  uses: readonly Use[],
  firstOf: (part: ContentId) => CustodianId | undefined,
): Promise<unknown> {
  const rows = uses.flatMap(({ draft, part, refs, event }) => {
    const { custodian, recordNo } = draft;
    const { contentId, holding } = part;
    const group = groupOf(recordNo);
    return holding.kind === 'wrap'
      ? [{ custodian, contentId, group, wrap: holding.wrap, refs, event }]
      : [];
  });
  return addParts.run(tx.client, [
    tx.organisation,
    uuidArray(rows.map(({ custodian }) => custodian)),
    uuidArray(rows.map(({ contentId }) => contentId)),
    int4Array(rows.map(({ group }) => group)),
    byteaArray(rows.map(({ wrap }) => wrap)),
    int4Array(rows.map(({ refs }) => refs)),
    boolArray(rows.map(({ custodian, contentId }) => firstOf(contentId) !== custodian)),
    byteaArray(rows.map((row) => wrapRowDigest(row))),
    uuidArray(rows.map(({ event }) => event)),
  ]);
}

function countOwn(
  tx: BatchTx,
  uses: readonly Use[],
): Promise<{ custodian_id: string; content_id: string }[]> {
  return reuseParts.rows(tx.client, [
    uuidArray(uses.map(({ draft }) => draft.custodian)),
    uuidArray(uses.map(({ part }) => part.contentId)),
    int4Array(uses.map(({ refs }) => refs)),
    uuidArray(uses.map(({ event }) => event)),
  ]);
}
