// One batch, one transaction: begin, locks, inbox row, the kinds' rows, COMMIT (architecture §2).
// Invariant: `committed` is only said when PostgreSQL answered COMMIT with the tag COMMIT, because the
// COMMIT of an aborted transaction succeeds with the tag ROLLBACK.
import type { Writable } from 'node:stream';
import type pg from 'pg';
import { PostsealError } from '../../kernel/errors.ts';
import type { ContentId, MailboxId, OrganisationId } from '../../kernel/ids.ts';
import type { UnixMs } from '../../kernel/time.ts';
import type { SealedEvent } from '../../ledger/event/draft.ts';
import { inboxInsert } from '../../ledger/event/inbox.store.ts';
import { byteaArray, uuidArray } from '../../platform/postgres/binary-arrays.ts';
import { mapPostgresError } from '../../platform/postgres/postgres-errors.ts';
import { statement } from '../../platform/postgres/statement.ts';
import type { BatchTx, LockedRow } from './batch.store.ts';
import { BatchParts, type Failure } from './batch-parts.ts';
import { governanceLockKey } from './governance-lock.ts';
import type { Member } from './member.ts';

export interface BatchScope {
  readonly organisation: OrganisationId;
  /** See `CommitterDeps.mailboxLock`. */
  readonly mailboxLock: { readonly name: string; readonly text: string } | undefined;
}

export type BatchOutcome =
  | { readonly kind: 'committed'; readonly at: UnixMs; readonly outputs: readonly unknown[][] }
  /** Rolled back because of these operations; the others did nothing wrong. */
  | { readonly kind: 'refused'; readonly failures: ReadonlyMap<number, Failure | PostsealError> }
  /** Rolled back by PostgreSQL or by a kind; who is to blame is not known. */
  | { readonly kind: 'aborted'; readonly error: PostsealError }
  /** The connection went away. With `commit` the transaction of that id may have been committed. */
  | {
      readonly kind: 'lost';
      readonly error: PostsealError;
      readonly commit: CommitInDoubt | undefined;
    };

export interface CommitInDoubt {
  readonly transaction: string;
  readonly at: UnixMs;
  readonly outputs: readonly unknown[][];
}

const begin = statement('committer.begin', 'BEGIN');
const rollback = statement('committer.rollback', 'ROLLBACK');
const stamp = `(extract(epoch FROM now()) * 1000)::bigint::text AS at,
  pg_current_xact_id()::text AS transaction`;
interface Head {
  readonly at: string;
  readonly transaction: string;
}
const head = statement<Head>('committer.head', `SELECT ${stamp}`);
const headWithLock = statement<Head>(
  'committer.head-with-lock',
  `SELECT ${stamp} FROM (SELECT pg_advisory_xact_lock_shared($1::int4, $2::int4)) AS governance`,
);
const lockContents = statement<{ content_id: string; tag: string }>(
  'committer.lock-contents',
  // One look and one lock after the other in the order of the tags, whatever the planner knows of the table.
  `SELECT held.content_id::text, encode(asked.tag, 'hex') AS tag
     FROM (SELECT tag FROM unnest($2::bytea[]) AS t (tag) ORDER BY tag OFFSET 0) AS asked, LATERAL (
       SELECT content_id FROM content
        WHERE dedup_domain = $1::uuid AND dedup_tag = asked.tag FOR UPDATE) AS held`,
);

/** Runs `members` in one transaction on `client`. Never throws. */
export async function runBatch(
  client: pg.Client,
  members: readonly Member[],
  voids: readonly SealedEvent[],
  scope: BatchScope,
): Promise<BatchOutcome> {
  const parts = new BatchParts(members);
  const settled = parts.settle(members);
  let inDoubt: CommitInDoubt | undefined;
  try {
    const events = [...voids, ...members.flatMap(({ sealed }) => sealed)];
    const { tx, transaction } = await open(client, parts, events, scope);
    sendTogether(client);
    const { outputs, failures } = await parts.apply(tx);
    const refused = new Map<number, Failure | PostsealError>([...(await settled), ...failures]);
    if (refused.size > 0) {
      await rollback.run(client);
      return { kind: 'refused', failures: refused };
    }
    inDoubt = { transaction, at: tx.at, outputs };
    await commit(client);
    return { kind: 'committed', at: tx.at, outputs };
  } catch (thrown) {
    // Nothing of it may outlive the batch; the first error says more than this one.
    await settled.catch(() => undefined);
    return failed(client, mapPostgresError(thrown), inDoubt);
  }
}

async function failed(
  client: pg.Client,
  error: PostsealError,
  inDoubt: CommitInDoubt | undefined,
): Promise<BatchOutcome> {
  if (error.code !== 'database.unreachable') {
    try {
      await rollback.run(client);
      return { kind: 'aborted', error };
    } catch (lost) {
      return { kind: 'lost', error: mapPostgresError(lost), commit: undefined };
    }
  }
  return { kind: 'lost', error, commit: inDoubt };
}

/**
 * Holds what is sent in this turn of the event loop back until its end: one write to the socket in
 * place of one a statement. The driver corks for each statement only.
 */
function sendTogether(client: pg.Client): void {
  const { stream } = (client as unknown as { connection: { stream: Writable } }).connection;
  stream.cork();
  process.nextTick(() => {
    stream.uncork();
  });
}

async function commit(client: pg.Client): Promise<void> {
  const { command } = await client.query({ name: 'committer.commit', text: 'COMMIT' });
  if (command !== 'COMMIT') throw new PostsealError('store.aborted', { tag: command });
}

async function open(
  client: pg.Client,
  parts: BatchParts,
  events: readonly SealedEvent[],
  scope: BatchScope,
): Promise<{ tx: BatchTx; transaction: string }> {
  const { contents, mailboxes } = parts.locks();
  // Sent in one go; their order on the connection is the lock order of every writer.
  sendTogether(client);
  const [, stamped, lockedContents, lockedMailboxes] = await allSettledInOrder([
    begin.run(client),
    parts.empty
      ? head.first(client)
      : headWithLock.first(client, governanceLockKey(scope.organisation)),
    contents.length === 0
      ? []
      : lockContents.rows(client, [scope.organisation, byteaArray(contents)]),
    mailboxes.length === 0 ? [] : lockMailboxes(client, mailboxes, scope),
    inboxInsert(client, events),
  ]);
  if (stamped === undefined) throw new PostsealError('internal', { what: 'no row from now()' });
  const at = Number(stamped.at) as UnixMs;
  const tx: BatchTx = {
    client,
    organisation: scope.organisation,
    at,
    lockedContents: new Map(lockedContents.map((row) => [row.tag, row.content_id as ContentId])),
    lockedMailboxes: new Map(
      lockedMailboxes.map((row) => [String(row['mailbox_id']) as MailboxId, row]),
    ),
  };
  return { tx, transaction: stamped.transaction };
}

async function lockMailboxes(
  client: pg.Client,
  mailboxes: readonly MailboxId[],
  scope: BatchScope,
): Promise<LockedRow[]> {
  if (scope.mailboxLock === undefined) {
    throw new PostsealError('internal', { what: 'no mailbox lock in this composition' });
  }
  const values = [uuidArray(mailboxes)];
  const answer = await client.query<LockedRow>({ ...scope.mailboxLock, values });
  return answer.rows;
}

/** Waits for all, so that no statement is still under way, then throws the first error in order. */
async function allSettledInOrder<T extends readonly unknown[]>(
  waits: readonly [...T],
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  for (const result of await Promise.allSettled(waits)) {
    if (result.status === 'rejected') throw result.reason;
  }
  return Promise.all(waits);
}
