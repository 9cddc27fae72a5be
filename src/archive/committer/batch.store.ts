// The transaction of one committer batch, as part kinds see it (architecture §2).
import type pg from 'pg';
import type { MailboxId, OrganisationId } from '../../kernel/ids.ts';
import type { UnixMs } from '../../kernel/time.ts';

/** A row that the mailbox lock statement returned; its columns are the mailbox room's own. */
export type LockedRow = Readonly<Record<string, unknown>>;

/**
 * One open transaction. The governance lock is held shared, the inbox row is in, and the contents and
 * mailboxes that the batch's parts named are locked.
 */
export interface BatchTx {
  /**
   * The write connection in pipeline mode: statements run in the order in which `query` is called,
   * whether or not earlier ones were awaited. Send what does not depend on an answer without
   * awaiting it, use named statements, and never send BEGIN, COMMIT, ROLLBACK or SAVEPOINT.
   * `Buffer` values travel as binary, so arrays are cheapest through `binary-array.ts`.
   */
  readonly client: pg.ClientBase;
  readonly organisation: OrganisationId;
  /** PostgreSQL's `now()` of this transaction: the instant that rows of this batch carry. */
  readonly at: UnixMs;
  /** What the mailbox lock statement returned for the mailboxes that this batch's parts named. */
  readonly lockedMailboxes: ReadonlyMap<MailboxId, LockedRow>;
}
