// Was it committed? Asked on a fresh connection when the old one was lost between COMMIT and its
// answer. The events are the truth: they are in the inbox or in the log, or nothing was stored. The
// transaction id is only used to wait until the old server process has made up its mind.
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { PostsealError } from '../../kernel/errors.ts';
import type { EventId } from '../../kernel/ids.ts';
import { readEvents } from '../../ledger/event/inbox.store.ts';
import { sqlStateOf } from '../../platform/postgres/postgres-errors.ts';
import { statement } from '../../platform/postgres/statement.ts';

const transactionStatus = statement<{ status: string | null }>(
  'committer.transaction-status',
  'SELECT pg_xact_status($1::xid8) AS status',
);
const pollMs = 10;
/** "transaction ID is in the future": a standby that had not seen it took over. */
const unknownTransaction = '22023';

/**
 * True if the transaction that carried `event` is committed.
 * @throws PostsealError `store.aborted` if it is still open after `patienceMs`.
 */
export async function wasCommitted(
  client: pg.Client,
  transaction: string,
  event: EventId,
  patienceMs: number,
): Promise<boolean> {
  const giveUp = performance.now() + patienceMs;
  while (await inProgress(client, transaction)) {
    if (performance.now() > giveUp) {
      throw new PostsealError('store.aborted', { what: 'commit in doubt', transaction });
    }
    await pause(pollMs);
  }
  return (await readEvents(client, [event])).has(event);
}

async function inProgress(client: pg.Client, transaction: string): Promise<boolean> {
  try {
    return (await transactionStatus.first(client, [transaction]))?.status === 'in progress';
  } catch (error) {
    if (sqlStateOf(error) === unknownTransaction) return false;
    throw error;
  }
}
