// Part kind `mailbox.append`: puts records into mailboxes. One statement a batch gives out uids and
// one modseq per mailbox, and moves the counters, all computed from the locked row.
import { PostsealError } from '../../kernel/errors.ts';
import type {
  CustodianId,
  MailboxId,
  ModSeq,
  RecordId,
  RecordNo,
  Uid,
  UidValidity,
} from '../../kernel/ids.ts';
import type { UnixMs } from '../../kernel/time.ts';
import type { PartItem, PartKind } from '../../archive/committer/types.ts';
import { int8Array, uuidArray } from '../../platform/postgres/binary-arrays.ts';
import { statement } from '../../platform/postgres/statement.ts';
import type { Appended } from '../types.ts';
import { DeltaBuilder, type Reporting, reportDeltas } from './delta.ts';
import { lockedMailbox } from './mailbox-lock.store.ts';
import { logPartSize } from './log-part.ts';

export interface AppendPart extends Reporting {
  readonly custodian: CustodianId;
  readonly mailbox: MailboxId;
  /** Hex; undefined when the mailbox was not asked for by a name. */
  readonly nameTag: string | undefined;
  readonly recordId: RecordId;
  readonly recordNo: RecordNo;
  readonly size: number;
  readonly flags: number;
  readonly internalDate: UnixMs;
}

interface AppendRow {
  readonly mailbox_id: MailboxId;
  readonly uidvalidity: string;
  readonly first: string;
  readonly modseq: string;
}

const append = statement<AppendRow>(
  'mailbox.append',
  `WITH t AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::uuid[])
      WITH ORDINALITY AS t (custodian_id, mailbox_id, record_id, record_no, size, internal_date, flags, event_id, n)
  ), s AS (
    SELECT custodian_id, mailbox_id, count(*) AS messages, sum(size) AS size,
      count(*) FILTER (WHERE flags & 1 = 0) AS unseen, count(*) FILTER (WHERE flags & 8 <> 0) AS deleted,
      (array_agg(event_id ORDER BY n DESC))[1] AS event_id
    FROM t GROUP BY custodian_id, mailbox_id
  ), box AS (
    UPDATE mailbox b SET uidnext = b.uidnext + s.messages, highest_modseq = b.highest_modseq + 1,
      messages = b.messages + s.messages, unseen = b.unseen + s.unseen, deleted = b.deleted + s.deleted,
      size = b.size + s.size, event_id = s.event_id
    FROM s WHERE b.custodian_id = s.custodian_id AND b.mailbox_id = s.mailbox_id
    RETURNING b.mailbox_id, b.uidvalidity, b.uidnext - s.messages AS first, b.highest_modseq AS modseq
  ), o AS MATERIALIZED (
    SELECT t.*, box.modseq, box.first, row_number() OVER (PARTITION BY t.mailbox_id ORDER BY t.n) - 1 AS place
    FROM t JOIN box USING (mailbox_id)
  ), ins AS (
    INSERT INTO message (custodian_id, mailbox_id, uid, record_id, record_no, size, internal_date, saved_at, flags, modseq, event_id)
    SELECT custodian_id, mailbox_id, first + place, record_id, record_no, size, internal_date, $9::int8, flags, modseq, event_id FROM o
  ), log AS (
    INSERT INTO change_log (custodian_id, mailbox_id, modseq, part, uid_from, uids, flags)
    SELECT custodian_id, mailbox_id, modseq, place / ${logPartSize}, min(first + place), NULL, array_agg(flags ORDER BY place)
    FROM o GROUP BY custodian_id, mailbox_id, modseq, place / ${logPartSize}
  )
  SELECT mailbox_id, uidvalidity, first, modseq FROM box`,
);

export const appendKind: PartKind<AppendPart, Appended> = {
  name: 'mailbox.append',
  stage: 30,
  locks: ({ mailbox }) => ({ mailboxes: [mailbox] }),
  committed: reportDeltas,
  async apply(tx, items) {
    const refused = items.map(({ input: { custodian, mailbox, nameTag } }) =>
      lockedMailbox(tx, custodian, mailbox, nameTag),
    );
    const good = items.filter((_, i) => !(refused[i] instanceof PostsealError));
    const rows = await append.rows(tx.client, [...columns(good), tx.at]);
    const boxes = new Map(rows.map((row) => [row.mailbox_id, row]));
    const outputs = new Map(good.map((item) => [item, appended(item, boxes)]));
    report(good, outputs);
    return items.map((item, i) => {
      const refusal = refused[i];
      if (refusal instanceof PostsealError) return refusal;
      return outputs.get(item) ?? new PostsealError('mailbox.unknown', {});
    });
  },
};

function columns(items: readonly PartItem<AppendPart>[]): Buffer[] {
  return [
    uuidArray(items.map(({ input }) => input.custodian)),
    uuidArray(items.map(({ input }) => input.mailbox)),
    uuidArray(items.map(({ input }) => input.recordId)),
    int8Array(items.map(({ input }) => input.recordNo)),
    int8Array(items.map(({ input }) => input.size)),
    int8Array(items.map(({ input }) => input.internalDate)),
    int8Array(items.map(({ input }) => input.flags)),
    uuidArray(items.map(({ event }) => event)),
  ];
}

/** Takes the next uid of its mailbox; the rows were numbered in the same order. */
function appended(
  { input }: PartItem<AppendPart>,
  boxes: Map<MailboxId, AppendRow>,
): Appended | undefined {
  const box = boxes.get(input.mailbox);
  if (box === undefined) return undefined;
  const uid = Number(box.first);
  boxes.set(input.mailbox, { ...box, first: String(uid + 1) });
  return {
    uidValidity: Number(box.uidvalidity) as UidValidity,
    uid: uid as Uid,
    modseq: Number(box.modseq) as ModSeq,
  };
}

function report(
  items: readonly PartItem<AppendPart>[],
  outputs: ReadonlyMap<PartItem<AppendPart>, Appended | undefined>,
): void {
  const builder = new DeltaBuilder();
  for (const item of items) {
    const output = outputs.get(item);
    if (output === undefined) continue;
    builder.changed(item.input.mailbox, output.modseq, output.uid, item.input.flags);
  }
  const deltas = builder.build();
  for (const { input } of items) input.deltas = deltas.get(input.mailbox) ?? [];
}
