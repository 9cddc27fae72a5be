// What rooms below give to the committer and get back (architecture §2). An operation is what one
// client waits for: its ledger events and the parts that change rows. Operations of one batch share a
// transaction; each succeeds or fails alone.
import type { PostsealError } from '../../kernel/errors.ts';
import type { EventId, MailboxId } from '../../kernel/ids.ts';
import type { UnixMs } from '../../kernel/time.ts';
import type { EventDraft, EventObject } from '../../ledger/event/draft.ts';
import type { BatchTx } from './batch.store.ts';

export type { BatchTx, LockedRow } from './batch.store.ts';

export interface PartLocks {
  /** Dedup tags (32 bytes) of contents that exist or may exist; locked `FOR UPDATE` in tag order. */
  readonly contents?: readonly Uint8Array[];
  /** Mailboxes whose uids, modseq or messages change; locked `FOR UPDATE` in id order. */
  readonly mailboxes?: readonly MailboxId[];
}

export interface PartItem<I> {
  readonly input: I;
  /** The event that this part's rows must name in `event_id`. */
  readonly event: EventId;
  /** Which operation of the batch the part belongs to; equal for parts of one operation. */
  readonly opIndex: number;
}

/**
 * A kind of row change. `apply` MUST be repeatable with the same inputs: an aborted batch is run again
 * in a new transaction, and caches may only be touched when `commit` has answered.
 */
export interface PartKind<I, O> {
  readonly name: string;
  /** Kinds of a batch start in this order; all have sent their first statement before any ends. */
  readonly stage: number;
  /** Deletions and key operations: such an operation has a batch of its own. */
  readonly exclusive?: boolean;
  locks(input: I): PartLocks;
  /**
   * Objects that the part's event has to name beside those of its draft, because rows of them change
   * (docs/formats/ledger.md "Inbox"). Asked before every batch, so that `recover` may change them.
   */
  names?(input: I): readonly EventObject[];
  /**
   * Starts together with the transaction; only COMMIT waits for it (for example a pack's fdatasync).
   * Answers nothing or an error per item, which counts like an error of `apply`. Must not reject.
   */
  settle?(inputs: readonly I[]): Promise<readonly (PostsealError | undefined)[]>;
  /**
   * Runs once a batch with all parts of this kind in arrival order and answers one output or error
   * per item. An error makes that operation fail alone: the batch is rolled back and run again
   * without it. A throw aborts the batch, whose members are then run alone.
   */
  apply(tx: BatchTx, items: readonly PartItem<I>[]): Promise<readonly (O | PostsealError)[]>;
  /**
   * Called when `apply` or `settle` answered with an error. May change what `input` refers to and answer true: the
   * operation is then run again. False, or no such method: the operation fails with the error.
   */
  recover?(input: I, error: PostsealError): Promise<boolean>;
  /**
   * Called once a batch when PostgreSQL has answered COMMIT and before any of its operations is
   * answered: the place to bring caches up to date and to publish hints. Synchronous; must not throw.
   */
  committed?(results: readonly { readonly input: I; readonly output: O }[], at: UnixMs): void;
  /** Called once an operation is committed or given up: the place to let go. Must not throw. */
  finished?(input: I, committed: boolean): void;
}

/** A part of an operation; made by `part()`, which keeps kind, input and output types together. */
export interface Part<out O = unknown> {
  readonly kind: PartKind<never, O>;
  readonly input: unknown;
  /** Index into the operation's events. */
  readonly event: number;
}

/** Binds an input to its kind. `event` is the index into the operation's events (default 0). */
export function part<I, O>(kind: PartKind<I, O>, input: I, event = 0): Part<O> {
  return { kind, input, event };
}

export interface Operation<P extends readonly Part[] = readonly Part[]> {
  /** At least one: nothing changes without an event. */
  readonly events: readonly [EventDraft, ...EventDraft[]];
  readonly parts: P;
  /** Something else that COMMIT must wait for; a rejection fails this operation alone. */
  readonly ready?: Promise<void>;
}

export type PartOutputs<P extends readonly Part[]> = {
  -readonly [K in keyof P]: P[K] extends Part<infer O> ? O : never;
};

export interface CommitResult<P extends readonly Part[] = readonly Part[]> {
  /** In the order of the operation's parts. */
  readonly outputs: PartOutputs<P>;
  /** In the order of the operation's events. */
  readonly events: readonly EventId[];
  /** PostgreSQL's `now()` of the transaction. */
  readonly at: UnixMs;
}

export interface Committer {
  /**
   * Resolves when PostgreSQL has answered COMMIT with COMMIT, so the operation is durable.
   * @throws PostsealError `intake.busy` when too much is queued, `database.unreachable` when the
   * connection stays away, or whatever error its own parts brought; then nothing of it is stored.
   */
  commit<const P extends readonly Part[]>(operation: Operation<P>): Promise<CommitResult<P>>;
  /** An event without rows (for example `read.granted`); rides in the same batches. */
  record(draft: EventDraft): Promise<EventId>;
  /** Operations that wait for a batch. */
  readonly queued: number;
  /** Takes nothing new, finishes what is queued, closes the connection. */
  close(): Promise<void>;
}
