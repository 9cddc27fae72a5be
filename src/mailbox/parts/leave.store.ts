// How messages leave the view: the kind's own statement has marked their rows with the event and the
// modseq of the departure; this one moves the marked rows to message_history. Two steps, because the
// guard wants a deleted row to carry the event of its deletion (migration 0001).
import { int8Array, uuidArray } from '../../platform/postgres/binary-arrays.ts';
import { ofSlice, type Slice } from '../../platform/postgres/custodian-slices.ts';
import { statement } from '../../platform/postgres/statement.ts';
import type { BatchTx } from '../../archive/committer/types.ts';

export interface LeavingMessage {
  readonly custodian: string;
  readonly mailbox: string;
  readonly uid: number;
  readonly event: string;
}

const leave = statement<Record<string, never>>(
  'mailbox.leave',
  `WITH t AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::uuid[]) AS t (custodian_id, mailbox_id, uid, event_id)
  ), gone AS (
    DELETE FROM message m USING t
    WHERE m.custodian_id = t.custodian_id AND m.mailbox_id = t.mailbox_id AND m.uid = t.uid AND m.event_id = t.event_id
      AND ${ofSlice('m.custodian_id', 5)}
    RETURNING m.*
  )
  INSERT INTO message_history (custodian_id, mailbox_id, uid, record_id, record_no, size, internal_date, saved_at, flags, modseq, event_id)
  SELECT custodian_id, mailbox_id, uid, record_id, record_no, size, internal_date, saved_at, flags, modseq, event_id FROM gone`,
);

/** Rows that were not marked with the event of their entry stay where they are. */
export async function moveToHistory(
  tx: BatchTx,
  { items, custodians }: Slice<LeavingMessage>,
): Promise<void> {
  await leave.run(tx.client, [
    uuidArray(items.map(({ custodian }) => custodian)),
    uuidArray(items.map(({ mailbox }) => mailbox)),
    int8Array(items.map(({ uid }) => uid)),
    uuidArray(items.map(({ event }) => event)),
    ...custodians,
  ]);
}

/**
 * SQL of two CTEs: `mark` sets event and modseq on the rows of `o` where `condition`, `van` remembers
 * their uids as ranges. `partitions` says over `m`
 * which partitions to open. Needs `o (custodian_id, <box>, uid, event_id)` and `box (mailbox_id, modseq)`.
 */
export function leavingSql(boxColumn: string, condition: string, partitions = 'true'): string {
  return `mark AS (
    UPDATE message m SET event_id = o.event_id, modseq = box.modseq
    FROM o JOIN box ON box.mailbox_id = o.${boxColumn}
    WHERE ${condition} AND m.custodian_id = o.custodian_id AND m.mailbox_id = o.${boxColumn} AND m.uid = o.uid
      AND ${partitions}
  ), island AS (
    SELECT o.custodian_id, o.${boxColumn} AS mailbox_id, o.uid,
      o.uid - row_number() OVER (PARTITION BY o.${boxColumn} ORDER BY o.uid) AS island
    FROM o WHERE ${condition}
  ), van AS (
    INSERT INTO vanished (custodian_id, mailbox_id, modseq, uid_from, uid_to)
    SELECT island.custodian_id, island.mailbox_id, box.modseq, min(island.uid), max(island.uid)
    FROM island JOIN box USING (mailbox_id)
    GROUP BY island.custodian_id, island.mailbox_id, box.modseq, island.island
  )`;
}
