// The transaction of one committer batch, as part kinds see it (architecture §2).
import type pg from 'pg';
import type { ContentId, MailboxId, OrganisationId } from '../../kernel/ids.ts';
import type { UnixMs } from '../../kernel/time.ts';

/** A row that the mailbox lock statement returned; its columns are the mailbox room's own. */
export type LockedRow = Readonly<Record<string, unknown>>;

/**
 * One open transaction. The governance lock is held shared, the inbox row is in, and the contents and
 * mailboxes that the batch's parts named are locked.
 */
export interface BatchTx {
  /**
   * The write connection in pipeline mode: statements run in the order in which they are sent, whether
   * or not earlier ones were awaited. Send what does not depend on an answer without awaiting it, use
   * `statement()` with arrays from platform/postgres/binary-arrays.ts, and never send BEGIN, COMMIT,
   * ROLLBACK or SAVEPOINT.
   */
  readonly client: pg.ClientBase;
  readonly organisation: OrganisationId;
  /** PostgreSQL's `now()` of this transaction: the instant that rows of this batch carry. */
  readonly at: UnixMs;
  /** By dedup tag in hex: the contents among those that this batch's parts named which exist. */
  readonly lockedContents: ReadonlyMap<string, ContentId>;
  /** What the mailbox lock statement returned for the mailboxes that this batch's parts named. */
  readonly lockedMailboxes: ReadonlyMap<MailboxId, LockedRow>;
}
