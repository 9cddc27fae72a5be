// The statement by which messages leave the view where they are: counters, modseq and vanished ranges of
// their mailboxes in one go. Rows are marked here and moved to message_history by leave.store.ts.
import { int8Array, uuidArray } from '../../platform/postgres/binary-arrays.ts';
import { type Statement, statement } from '../../platform/postgres/statement.ts';
import { type LeavingMessage, leavingSql } from './leave.store.ts';

export interface DepartureRow {
  /** Place among the candidates, from 1. */
  readonly n: string;
  /** Of the mailbox after the departure. */
  readonly modseq: string;
}

/** `condition`: which of the candidates leave, as SQL over `m`, the row of `message`. */
export function departure(name: string, condition: string): Statement<DepartureRow> {
  return statement<DepartureRow>(
    name,
    `WITH t AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::uuid[]) WITH ORDINALITY AS t (custodian_id, mailbox_id, uid, event_id, n)
  ), o AS MATERIALIZED (
    SELECT t.*, m.flags, m.size
    FROM t JOIN message m ON m.custodian_id = t.custodian_id AND m.mailbox_id = t.mailbox_id AND m.uid = t.uid
    WHERE ${condition}
  ), s AS (
    SELECT custodian_id, mailbox_id, count(*) AS messages, sum(1 - (flags & 1)) AS unseen, sum(size) AS size,
      sum((flags & 8) / 8) AS deleted, (array_agg(event_id ORDER BY n DESC))[1] AS event_id
    FROM o GROUP BY custodian_id, mailbox_id
  ), box AS (
    UPDATE mailbox b SET highest_modseq = b.highest_modseq + 1, messages = b.messages - s.messages, unseen = b.unseen - s.unseen,
      deleted = b.deleted - s.deleted, size = b.size - s.size, event_id = s.event_id
    FROM s WHERE b.custodian_id = s.custodian_id AND b.mailbox_id = s.mailbox_id
    RETURNING b.mailbox_id, b.highest_modseq AS modseq
  ), ${leavingSql('mailbox_id', 'true')}
  SELECT o.n, box.modseq FROM o JOIN box USING (mailbox_id)`,
  );
}

/** Parameters of such a statement. */
export function candidateColumns(candidates: readonly LeavingMessage[]): Buffer[] {
  return [
    uuidArray(candidates.map(({ custodian }) => custodian)),
    uuidArray(candidates.map(({ mailbox }) => mailbox)),
    int8Array(candidates.map(({ uid }) => uid)),
    uuidArray(candidates.map(({ event }) => event)),
  ];
}
