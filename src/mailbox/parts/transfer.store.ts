// Part kind `mailbox.transfer`: COPY and MOVE (RFC 9051 §6.4.7, §6.4.8). The record is the same one; only
// the view gets a new row, and at MOVE loses the old one, in one transaction. Keyword bits are numbers of
// their mailbox, so they are translated.
import { PostsealError } from '../../kernel/errors.ts';
import type { CustodianId, MailboxId, ModSeq, Uid, UidValidity } from '../../kernel/ids.ts';
import type { BatchTx, PartItem, PartKind } from '../../archive/committer/types.ts';
import {
  boolArray,
  int4Array,
  int8Array,
  uuidArray,
} from '../../platform/postgres/binary-arrays.ts';
import { slicesOf } from '../../platform/postgres/custodian-slices.ts';
import { statement } from '../../platform/postgres/statement.ts';
import type { CopyResult } from '../types.ts';
import { DeltaBuilder, type Reporting, reportDeltas } from './delta.ts';
import { type LeavingMessage, leavingSql, moveToHistory } from './leave.store.ts';
import { logPartSize } from './log-part.ts';
import { lockedMailbox } from './mailbox-lock.store.ts';

export interface TransferPart extends Reporting {
  readonly custodian: CustodianId;
  readonly from: MailboxId;
  readonly to: MailboxId;
  /** Hex; undefined when the target was not asked for by a name. */
  readonly toNameTag: string | undefined;
  readonly uids: readonly Uid[];
  /** True for MOVE. */
  readonly leave: boolean;
  /** Bit values of keywords, source to target; keyword bits that are not named are dropped. */
  readonly keywords: readonly { readonly from: number; readonly to: number }[];
}

interface TransferRow {
  readonly n: string;
  readonly uid: string;
  readonly flags: string;
  readonly modseq: string;
  /** Null at COPY. */
  readonly left: string | null;
}

const transfer = statement<TransferRow>(
  'mailbox.transfer',
  `WITH t AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::uuid[], $5::int4[], $6::boolean[], $7::uuid[])
      WITH ORDINALITY AS t (custodian_id, source, uid, target, item, leaves, event_id, n)
  ), k AS MATERIALIZED (
    SELECT * FROM unnest($8::int4[], $9::int8[], $10::int8[]) AS k (item, from_bit, to_bit)
  ), o AS MATERIALIZED (
    SELECT t.*, m.record_id, m.record_no, m.size, m.internal_date, m.flags AS was,
      CASE WHEN m.flags < 32 THEN m.flags
        ELSE (m.flags & 31) | coalesce((SELECT bit_or(k.to_bit) FROM k WHERE k.item = t.item AND m.flags & k.from_bit <> 0), 0)
      END AS flags,
      row_number() OVER (PARTITION BY t.target ORDER BY t.n) - 1 AS place
    FROM t JOIN message m ON m.custodian_id = t.custodian_id AND m.mailbox_id = t.source AND m.uid = t.uid
  ), s AS (
    SELECT custodian_id, mailbox_id, sum(added) AS added, sum(messages) AS messages, sum(unseen) AS unseen, sum(deleted) AS deleted,
      sum(size) AS size, (array_agg(event_id ORDER BY n DESC))[1] AS event_id
    FROM (
      SELECT custodian_id, target AS mailbox_id, 1 AS added, 1 AS messages, 1 - (flags & 1) AS unseen, (flags & 8) / 8 AS deleted, size, event_id, n FROM o
      UNION ALL
      SELECT custodian_id, source, 0, -1, (was & 1) - 1, -((was & 8) / 8), -size, event_id, n FROM o WHERE leaves
    ) x GROUP BY custodian_id, mailbox_id
  ), box AS (
    UPDATE mailbox b SET uidnext = b.uidnext + s.added, highest_modseq = b.highest_modseq + 1, messages = b.messages + s.messages,
      unseen = b.unseen + s.unseen, deleted = b.deleted + s.deleted, size = b.size + s.size, event_id = s.event_id
    FROM s WHERE b.custodian_id = s.custodian_id AND b.mailbox_id = s.mailbox_id
    RETURNING b.mailbox_id, b.uidnext - s.added AS first, b.highest_modseq AS modseq
  ), ins AS (
    INSERT INTO message (custodian_id, mailbox_id, uid, record_id, record_no, size, internal_date, saved_at, flags, modseq, event_id)
    SELECT o.custodian_id, o.target, box.first + o.place, o.record_id, o.record_no, o.size, o.internal_date, $11::int8, o.flags, box.modseq, o.event_id
    FROM o JOIN box ON box.mailbox_id = o.target
  ), log AS (
    INSERT INTO change_log (custodian_id, mailbox_id, modseq, part, uid_from, uids, flags)
    SELECT o.custodian_id, o.target, box.modseq, o.place / ${logPartSize}, min(box.first + o.place), NULL, array_agg(o.flags ORDER BY o.place)
    FROM o JOIN box ON box.mailbox_id = o.target GROUP BY o.custodian_id, o.target, box.modseq, o.place / ${logPartSize}
  ), ${leavingSql('source', 'o.leaves')}
  SELECT o.n, target.first + o.place AS uid, o.flags, target.modseq, source.modseq AS left
  FROM o JOIN box target ON target.mailbox_id = o.target
    LEFT JOIN box source ON o.leaves AND source.mailbox_id = o.source`,
);

type Passenger = LeavingMessage & {
  readonly item: number;
  readonly to: MailboxId;
  readonly leaves: boolean;
};

export const transferKind: PartKind<TransferPart, CopyResult> = {
  name: 'mailbox.transfer',
  stage: 50,
  locks: ({ from, to }) => ({ mailboxes: [from, to] }),
  committed: reportDeltas,
  async apply(tx, items) {
    const targets = items.map(({ input }) => target(tx, input));
    const passengers = passengersOf(items, (i) => !(targets[i] instanceof PostsealError));
    const leaving = passengers.filter(({ leaves }) => leaves);
    const [rows] = await Promise.all([
      transfer.rows(tx.client, columns(tx, items, passengers)),
      ...slicesOf(leaving, ({ custodian }) => custodian).map((slice) => moveToHistory(tx, slice)),
    ]);
    const pairs = collect(items, passengers, rows);
    return targets.map((uidValidity, i) => {
      if (uidValidity instanceof PostsealError) return uidValidity;
      const sorted = (pairs[i] ?? []).sort((a, b) => a.from - b.from);
      return {
        uidValidity,
        from: sorted.map(({ from }) => from),
        to: sorted.map(({ to }) => to),
      };
    });
  },
};

function target(
  tx: BatchTx,
  { custodian, from, to, toNameTag }: TransferPart,
): UidValidity | PostsealError {
  const source = lockedMailbox(tx, custodian, from);
  if (source instanceof PostsealError) return source;
  const box = lockedMailbox(tx, custodian, to, toNameTag);
  return box instanceof PostsealError ? box : box.uidValidity;
}

/** A message moves once: of two operations that want it, the first takes it; copies are free. */
function passengersOf(
  items: readonly PartItem<TransferPart>[],
  accepted: (index: number) => boolean,
): Passenger[] {
  const moved = new Set<string>();
  const out: Passenger[] = [];
  for (const [item, { input, event }] of items.entries()) {
    if (!accepted(item)) continue;
    for (const uid of input.uids) {
      const key = `${input.from}/${uid}`;
      if (moved.has(key)) continue;
      if (input.leave) moved.add(key);
      const { custodian, from: mailbox, to, leave: leaves } = input;
      out.push({ custodian, mailbox, uid, event, item, to, leaves });
    }
  }
  return out;
}

function columns(
  tx: BatchTx,
  items: readonly PartItem<TransferPart>[],
  passengers: readonly Passenger[],
): (Buffer | number)[] {
  const bits = items.flatMap(({ input }, item) => input.keywords.map((bit) => ({ item, ...bit })));
  return [
    uuidArray(passengers.map(({ custodian }) => custodian)),
    uuidArray(passengers.map(({ mailbox }) => mailbox)),
    int8Array(passengers.map(({ uid }) => uid)),
    uuidArray(passengers.map(({ to }) => to)),
    int4Array(passengers.map(({ item }) => item)),
    boolArray(passengers.map(({ leaves }) => leaves)),
    uuidArray(passengers.map(({ event }) => event)),
    int4Array(bits.map(({ item }) => item)),
    int8Array(bits.map(({ from }) => from)),
    int8Array(bits.map(({ to }) => to)),
    tx.at,
  ];
}

function collect(
  items: readonly PartItem<TransferPart>[],
  passengers: readonly Passenger[],
  rows: readonly TransferRow[],
): { from: Uid; to: Uid }[][] {
  const builder = new DeltaBuilder();
  const pairs: { from: Uid; to: Uid }[][] = items.map(() => []);
  for (const row of rows) {
    const passenger = passengers[Number(row.n) - 1];
    if (passenger === undefined) continue;
    const uid = Number(row.uid) as Uid;
    pairs[passenger.item]?.push({ from: passenger.uid as Uid, to: uid });
    builder.changed(passenger.to, Number(row.modseq) as ModSeq, uid, Number(row.flags));
    if (row.left === null) continue;
    const left = Number(row.left) as ModSeq;
    builder.vanished(passenger.mailbox as MailboxId, left, passenger.uid);
  }
  const deltas = builder.build();
  for (const { input } of items) {
    const from = deltas.get(input.from) ?? [];
    input.deltas = input.from === input.to ? from : [...from, ...(deltas.get(input.to) ?? [])];
  }
  return pairs;
}
