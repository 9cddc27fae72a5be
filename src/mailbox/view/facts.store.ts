// What a message row knows beside flags: its record, size and dates. Rows of messages that left the view
// are found too, because a session still sees them until it is told.
import type { RecordId, RecordNo, Uid } from '../../kernel/ids.ts';
import type { UnixMs } from '../../kernel/time.ts';
import { int8Array } from '../../platform/postgres/binary-arrays.ts';
import { statement, type Queryable } from '../../platform/postgres/statement.ts';
import type { MailboxKey } from '../state/read-state.store.ts';
import type { MessageFacts } from '../types.ts';

interface FactsRow {
  readonly uid: string;
  readonly record_id: RecordId;
  readonly record_no: string;
  readonly size: string;
  readonly internal_date: string;
  readonly saved_at: string;
}

const factsFrom = (table: string) =>
  statement<FactsRow>(
    `mailbox.facts-${table}`,
    `SELECT m.uid, m.record_id, m.record_no, m.size, m.internal_date, m.saved_at FROM ${table} m
     WHERE m.custodian_id = $1 AND m.mailbox_id = $2 AND m.uid = ANY($3::int8[])`,
  );

const present = factsFrom('message');
const left = factsFrom('message_history');

/** Sorted by uid; uids that never were are left out. */
export async function readFacts(
  db: Queryable,
  { custodian, mailbox }: MailboxKey,
  uids: readonly Uid[],
): Promise<MessageFacts[]> {
  const rows = await present.rows(db, [custodian, mailbox, int8Array(uids)]);
  if (rows.length < uids.length) {
    const found = new Set(rows.map(({ uid }) => Number(uid)));
    const missing = uids.filter((uid) => !found.has(uid));
    rows.push(...(await left.rows(db, [custodian, mailbox, int8Array(missing)])));
  }
  const facts = rows.map((row) => ({
    uid: Number(row.uid) as Uid,
    record: {
      custodian,
      recordId: row.record_id,
      recordNo: Number(row.record_no) as RecordNo,
    },
    size: Number(row.size),
    internalDate: Number(row.internal_date) as UnixMs,
    savedAt: Number(row.saved_at) as UnixMs,
  }));
  return facts.sort((a, b) => a.uid - b.uid);
}

const vanished = statement<{ first: string; last: string }>(
  'mailbox.vanished-since',
  `SELECT lower(r) AS first, upper(r) - 1 AS last FROM (
     SELECT unnest(range_agg(int8range(uid_from, uid_to + 1))) AS r
     FROM vanished WHERE custodian_id = $1 AND mailbox_id = $2 AND modseq > $3
   ) x ORDER BY first`,
);

const vanishedFloor = statement<{ floor: string }>(
  'mailbox.vanished-floor',
  'SELECT vanished_floor AS floor FROM mailbox_memory WHERE custodian_id = $1 AND mailbox_id = $2',
);

/** Undefined below the floor. The floor is read last: it may rise while ranges are read, never sink. */
export async function readVanished(
  db: Queryable,
  { custodian, mailbox }: MailboxKey,
  modseq: number,
): Promise<{ first: Uid; last: Uid }[] | undefined> {
  const rows = await vanished.rows(db, [custodian, mailbox, modseq]);
  const floor = await vanishedFloor.first(db, [custodian, mailbox]);
  if (Number(floor?.floor ?? 0) > modseq) return undefined;
  return rows.map(({ first, last }) => ({
    first: Number(first) as Uid,
    last: Number(last) as Uid,
  }));
}
