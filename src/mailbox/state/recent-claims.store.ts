// \Recent (RFC 3501 §2.3.2): every new message is shown as recent to exactly one read-write session. The
// watermark says up to which uid that has happened. Claims of one moment share a statement: while one is
// on its way the others wait for the next.
import type { MailboxId } from '../../kernel/ids.ts';
import { int8Array, uuidArray } from '../../platform/postgres/binary-arrays.ts';
import { statement, type Queryable } from '../../platform/postgres/statement.ts';
import type { MailboxKey, RecentRange } from './read-state.store.ts';

interface Claim {
  readonly key: MailboxKey;
  /** uidnext of what the session has seen. */
  readonly to: number;
  readonly resolve: (range: RecentRange) => void;
  readonly reject: (error: unknown) => void;
}

const claim = statement<{ mailbox_id: MailboxId; first: string }>(
  'mailbox.recent-claim',
  `WITH t AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[]) AS t (custodian_id, mailbox_id, upto)
  ), o AS MATERIALIZED (
    SELECT w.custodian_id, w.mailbox_id, w.recent_from, t.upto
    FROM mailbox_memory w JOIN t ON t.custodian_id = w.custodian_id AND t.mailbox_id = w.mailbox_id
    WHERE w.recent_from < t.upto ORDER BY w.mailbox_id FOR UPDATE OF w
  )
  UPDATE mailbox_memory w SET recent_from = o.upto FROM o
  WHERE w.custodian_id = o.custodian_id AND w.mailbox_id = o.mailbox_id
  RETURNING w.mailbox_id, o.recent_from AS first`,
);

export class RecentClaims {
  readonly #db: Queryable;
  #waiting: Claim[] = [];
  #running = false;

  constructor(db: Queryable) {
    this.#db = db;
  }

  /** Empty when somebody else was first. */
  claim(key: MailboxKey, to: number): Promise<RecentRange> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, to, resolve, reject });
      void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    while (this.#waiting.length > 0) {
      const claims = this.#waiting;
      this.#waiting = [];
      try {
        await this.#run(claims);
      } catch (error) {
        for (const { reject } of claims) reject(error);
      }
    }
    this.#running = false;
  }

  /** The first claim of a mailbox gets the range, whatever the highest uid among them. */
  async #run(claims: readonly Claim[]): Promise<void> {
    const first = new Map<MailboxId, Claim & { upto: number }>();
    for (const one of claims) {
      const known = first.get(one.key.mailbox);
      if (known === undefined) first.set(one.key.mailbox, { ...one, upto: one.to });
      else known.upto = Math.max(known.upto, one.to);
    }
    const boxes = [...first.values()];
    const rows = await claim.rows(this.#db, [
      uuidArray(boxes.map(({ key }) => key.custodian)),
      uuidArray(boxes.map(({ key }) => key.mailbox)),
      int8Array(boxes.map(({ upto }) => upto)),
    ]);
    const from = new Map(rows.map(({ mailbox_id: id, first: uid }) => [id, Number(uid)]));
    for (const { key, to, resolve } of claims) {
      const winner = first.get(key.mailbox);
      const start = winner?.resolve === resolve ? from.get(key.mailbox) : undefined;
      resolve(start === undefined ? { from: to, to } : { from: start, to: winner?.upto ?? to });
    }
  }
}
