// Rows of the ledger as the verification reads them: every column, in slices, by number.
import { type Queryable, statement } from '../../platform/postgres/statement.ts';
import type { InboxEvent } from '../event/inbox-names.ts';
import { namesSql } from '../event/inbox.store.ts';

export interface VerifyRow {
  readonly seq: string;
  readonly event_id: string;
  readonly at: string;
  readonly op: string;
  readonly cls: string;
  readonly outcome: string;
  readonly actor: string;
  readonly objects: string;
  readonly leaf: Buffer;
  readonly chain: Buffer;
  readonly body: Buffer | null;
}

export interface VerifyHead {
  readonly origin: string;
  readonly size: string;
  readonly chain: Buffer;
  /** Highest number in the log, null if it is empty. */
  readonly last: string | null;
}

const selectRows = statement<VerifyRow>(
  'ledger.verify.rows',
  `SELECT seq, event_id, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at, op, cls, outcome, actor,
          array_to_string(objects, ' ') AS objects, leaf, chain, body
     FROM public.audit_log WHERE seq >= $1 AND seq < $2 ORDER BY seq LIMIT $3`,
);
// One statement, so that head and log are of one snapshot.
const selectHead = statement<VerifyHead>(
  'ledger.verify.head',
  'SELECT origin, size, chain, (SELECT max(seq) FROM public.audit_log) AS last FROM public.audit_head',
);
export interface WaitingEvent extends InboxEvent {
  readonly body: Buffer;
}

const selectWaiting = statement<WaitingEvent>(
  'ledger.verify.waiting',
  `SELECT u.body, ${namesSql('i', 'u.ord')} AS names
     FROM public.audit_inbox i, unnest(i.bodies) WITH ORDINALITY AS u (body, ord) ORDER BY i.id, u.ord`,
);

export function readRows(
  client: Queryable,
  from: number,
  to: number,
  limit: number,
): Promise<VerifyRow[]> {
  return selectRows.rows(client, [from, to, limit]);
}

export function readVerifyHead(client: Queryable): Promise<VerifyHead | undefined> {
  return selectHead.first(client);
}

export function readWaiting(client: Queryable): Promise<WaitingEvent[]> {
  return selectWaiting.rows(client);
}
