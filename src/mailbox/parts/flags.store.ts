// Part kind `mailbox.flags`: STORE. Changes of one batch are folded per message (flags/fold.ts); each
// wave is one statement, or more for very many custodians, that computes new flags from the rows, gives
// changed rows one modseq per mailbox and leaves unchanged rows alone. UNCHANGEDSINCE is a condition on
// the row (RFC 7162 §3.1.3).
import { PostsealError } from '../../kernel/errors.ts';
import type { CustodianId, MailboxId, ModSeq, Uid } from '../../kernel/ids.ts';
import type { BatchTx, PartItem, PartKind } from '../../archive/committer/types.ts';
import { int8Array, uuidArray } from '../../platform/postgres/binary-arrays.ts';
import { ofSlice, type Slice, slicesOf } from '../../platform/postgres/custodian-slices.ts';
import { statement } from '../../platform/postgres/statement.ts';
import { type FlagEdit, foldEdits, type FoldedEdit } from '../flags/fold.ts';
import type { StoreResult } from '../types.ts';
import { DeltaBuilder, type Reporting, reportDeltas } from './delta.ts';
import { logPartSize } from './log-part.ts';
import { lockedMailbox } from './mailbox-lock.store.ts';

export interface FlagsPart extends Reporting {
  readonly custodian: CustodianId;
  readonly mailbox: MailboxId;
  readonly uids: readonly Uid[];
  readonly removed: number;
  readonly added: number;
  readonly unchangedSince: ModSeq | undefined;
}

interface FlagsRow {
  /** 1-based index of the edit in its slice. */
  readonly n: string;
  readonly flags: string;
  readonly fits: boolean;
  /** Null when the row did not change. */
  readonly modseq: string | null;
}

const always = Number.MAX_SAFE_INTEGER;

const store = statement<FlagsRow>(
  'mailbox.flags',
  `WITH t AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::uuid[])
      WITH ORDINALITY AS t (custodian_id, mailbox_id, uid, removed, added, since, event_id, n)
  ), o AS MATERIALIZED (
    SELECT t.custodian_id, t.mailbox_id, t.uid, t.event_id, t.n, m.flags AS was,
      (m.flags & ~t.removed) | t.added AS flags, m.modseq <= t.since AS fits,
      m.modseq <= t.since AND m.flags <> ((m.flags & ~t.removed) | t.added) AS changes
    FROM t JOIN message m ON m.custodian_id = t.custodian_id AND m.mailbox_id = t.mailbox_id AND m.uid = t.uid
      AND ${ofSlice('m.custodian_id', 8)}
  ), s AS (
    SELECT custodian_id, mailbox_id, sum((was & 1) - (flags & 1)) AS unseen,
      sum(((flags & 8) - (was & 8)) / 8) AS deleted, (array_agg(event_id ORDER BY n DESC))[1] AS event_id
    FROM o WHERE changes GROUP BY custodian_id, mailbox_id
  ), box AS (
    UPDATE mailbox b SET highest_modseq = b.highest_modseq + 1, unseen = b.unseen + s.unseen,
      deleted = b.deleted + s.deleted, event_id = s.event_id
    FROM s WHERE b.custodian_id = s.custodian_id AND b.mailbox_id = s.mailbox_id
      AND ${ofSlice('b.custodian_id', 8)}
    RETURNING b.mailbox_id, b.highest_modseq AS modseq
  ), c AS MATERIALIZED (
    SELECT o.*, box.modseq, row_number() OVER (PARTITION BY o.mailbox_id ORDER BY o.uid) - 1 AS place
    FROM o JOIN box USING (mailbox_id) WHERE o.changes
  ), u AS (
    UPDATE message m SET flags = c.flags, modseq = c.modseq, event_id = c.event_id
    FROM c WHERE m.custodian_id = c.custodian_id AND m.mailbox_id = c.mailbox_id AND m.uid = c.uid
      AND ${ofSlice('m.custodian_id', 8)}
  ), log AS (
    INSERT INTO change_log (custodian_id, mailbox_id, modseq, part, uid_from, uids, flags)
    SELECT custodian_id, mailbox_id, modseq, place / ${logPartSize}, min(uid), array_agg(uid ORDER BY uid), array_agg(flags ORDER BY uid)
    FROM c GROUP BY custodian_id, mailbox_id, modseq, place / ${logPartSize}
  )
  SELECT o.n, o.flags, o.fits, box.modseq FROM o LEFT JOIN box ON o.changes AND box.mailbox_id = o.mailbox_id`,
);

export const flagsKind: PartKind<FlagsPart, StoreResult> = {
  name: 'mailbox.flags',
  stage: 40,
  locks: ({ mailbox }) => ({ mailboxes: [mailbox] }),
  committed: reportDeltas,
  async apply(tx, items) {
    const refused = items.map(({ input }) => lockedMailbox(tx, input.custodian, input.mailbox));
    const waves = foldEdits(editsOf(items, (i) => !(refused[i] instanceof PostsealError)));
    const slices = waves.flatMap((wave) => slicesOf(wave, ({ custodian }) => custodian));
    const answers = await Promise.all(slices.map((slice) => runSlice(tx, slice)));
    const result = new StoreResults(items.length);
    for (const [i, slice] of slices.entries()) result.take(slice.items, answers[i] ?? []);
    const deltas = result.deltas.build();
    for (const { input } of items) input.deltas = deltas.get(input.mailbox) ?? [];
    return items.map((_, i) => {
      const refusal = refused[i];
      return refusal instanceof PostsealError ? refusal : result.of(i);
    });
  },
};

function* editsOf(
  items: readonly PartItem<FlagsPart>[],
  accepted: (index: number) => boolean,
): Generator<readonly [number, FlagEdit]> {
  for (const [i, { input, event }] of items.entries()) {
    if (!accepted(i)) continue;
    for (const uid of input.uids) {
      const { custodian, mailbox, removed, added, unchangedSince: since } = input;
      yield [i, { custodian, mailbox, uid, removed, added, since, event }];
    }
  }
}

/** The custodians of a wave have nothing to do with each other, so its slices are statements of their own. */
function runSlice(tx: BatchTx, { items, custodians }: Slice<FoldedEdit>): Promise<FlagsRow[]> {
  return store.rows(tx.client, [
    uuidArray(items.map(({ custodian }) => custodian)),
    uuidArray(items.map(({ mailbox }) => mailbox)),
    int8Array(items.map(({ uid }) => uid)),
    int8Array(items.map(({ removed }) => removed)),
    int8Array(items.map(({ added }) => added)),
    int8Array(items.map(({ since }) => since ?? always)),
    uuidArray(items.map(({ event }) => event)),
    ...custodians,
  ]);
}

interface MessageState {
  readonly uid: Uid;
  readonly flags: number;
  readonly modseq: ModSeq;
}

/**
 * Answers every operation with the last state of its messages in this batch: an older one would be
 * wrong under the modseq that it carries.
 */
class StoreResults {
  readonly deltas = new DeltaBuilder();
  readonly #latest = new Map<string, MessageState>();
  readonly #changed: Map<string, Uid>[];
  readonly #modified: Uid[][];

  constructor(count: number) {
    this.#changed = Array.from({ length: count }, () => new Map<string, Uid>());
    this.#modified = Array.from({ length: count }, () => []);
  }

  take(edits: readonly FoldedEdit[], rows: readonly FlagsRow[]): void {
    for (const row of rows) {
      const edit = edits[Number(row.n) - 1];
      if (edit === undefined) continue;
      const uid = edit.uid as Uid;
      if (!row.fits) this.#refuse(edit, uid);
      if (row.modseq === null) continue;
      const state = { uid, flags: Number(row.flags), modseq: Number(row.modseq) as ModSeq };
      const key = `${edit.mailbox}/${uid}`;
      this.#latest.set(key, state);
      this.deltas.changed(edit.mailbox as MailboxId, state.modseq, uid, state.flags);
      for (const item of edit.items) this.#changed[item]?.set(key, uid);
    }
  }

  of(item: number): StoreResult {
    const changed: MessageState[] = [];
    for (const key of this.#changed[item]?.keys() ?? []) {
      const state = this.#latest.get(key);
      if (state !== undefined) changed.push(state);
    }
    changed.sort((a, b) => a.uid - b.uid);
    return { changed, modified: (this.#modified[item] ?? []).sort((a, b) => a - b) };
  }

  #refuse(edit: FoldedEdit, uid: Uid): void {
    for (const item of edit.items) this.#modified[item]?.push(uid);
  }
}
