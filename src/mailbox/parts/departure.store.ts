// How messages leave the view where they are: counters, modseq and vanished ranges of their mailboxes in
// one statement, which marks their rows; leave.store.ts then moves them to message_history. Slices of
// custodians, so that PostgreSQL opens their partitions only.
import type { BatchTx } from '../../archive/committer/types.ts';
import { int8Array, uuidArray } from '../../platform/postgres/binary-arrays.ts';
import { ofSlice, type Slice, slicesOf } from '../../platform/postgres/custodian-slices.ts';
import { type Statement, statement } from '../../platform/postgres/statement.ts';
import { type LeavingMessage, leavingSql, moveToHistory } from './leave.store.ts';

export interface DepartureRow<T> {
  readonly candidate: T;
  /** Of the mailbox after the departure. */
  readonly modseq: string;
}

/** Lets those of the candidates leave that meet its condition, and says which did. */
export type Departure = <T extends LeavingMessage>(
  tx: BatchTx,
  candidates: readonly T[],
) => Promise<DepartureRow<T>[]>;

interface MarkedRow {
  /** Place among the candidates of the slice, from 1. */
  readonly n: string;
  readonly modseq: string;
}

/** `condition`: which of the candidates leave, as SQL over `m`, the row of `message`. */
export function departure(name: string, condition: string): Departure {
  const marking = markingStatement(name, condition);
  return async (tx, candidates) => {
    const slices = slicesOf(candidates, ({ custodian }) => custodian);
    const done = await Promise.all(slices.map((slice) => leaveSlice(tx, marking, slice)));
    return done.flat();
  };
}

async function leaveSlice<T extends LeavingMessage>(
  tx: BatchTx,
  marking: Statement<MarkedRow>,
  slice: Slice<T>,
): Promise<DepartureRow<T>[]> {
  const [marked] = await Promise.all([
    marking.rows(tx.client, [...candidateColumns(slice.items), ...slice.custodians]),
    moveToHistory(tx, slice),
  ]);
  return marked.flatMap(({ n, modseq }) => {
    const candidate = slice.items[Number(n) - 1];
    return candidate === undefined ? [] : [{ candidate, modseq }];
  });
}

function markingStatement(name: string, condition: string): Statement<MarkedRow> {
  return statement<MarkedRow>(
    name,
    `WITH t AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::uuid[]) WITH ORDINALITY AS t (custodian_id, mailbox_id, uid, event_id, n)
  ), o AS MATERIALIZED (
    SELECT t.*, m.flags, m.size
    FROM t JOIN message m ON m.custodian_id = t.custodian_id AND m.mailbox_id = t.mailbox_id AND m.uid = t.uid
      AND ${ofSlice('m.custodian_id', 5)}
    WHERE ${condition}
  ), s AS (
    SELECT custodian_id, mailbox_id, count(*) AS messages, sum(1 - (flags & 1)) AS unseen, sum(size) AS size,
      sum((flags & 8) / 8) AS deleted, (array_agg(event_id ORDER BY n DESC))[1] AS event_id
    FROM o GROUP BY custodian_id, mailbox_id
  ), box AS (
    UPDATE mailbox b SET highest_modseq = b.highest_modseq + 1, messages = b.messages - s.messages, unseen = b.unseen - s.unseen,
      deleted = b.deleted - s.deleted, size = b.size - s.size, event_id = s.event_id
    FROM s WHERE b.custodian_id = s.custodian_id AND b.mailbox_id = s.mailbox_id
      AND ${ofSlice('b.custodian_id', 5)}
    RETURNING b.mailbox_id, b.highest_modseq AS modseq
  ), ${leavingSql('mailbox_id', 'true', ofSlice('m.custodian_id', 5))}
  SELECT o.n, box.modseq FROM o JOIN box USING (mailbox_id)`,
  );
}

function candidateColumns(candidates: readonly LeavingMessage[]): Buffer[] {
  return [
    uuidArray(candidates.map(({ custodian }) => custodian)),
    uuidArray(candidates.map(({ mailbox }) => mailbox)),
    int8Array(candidates.map(({ uid }) => uid)),
    uuidArray(candidates.map(({ event }) => event)),
  ];
}
