// What becomes of the members of a batch: answered, failed alone, or run again. Kept apart from the
// transaction itself (batch-run.store.ts) and from the queue (committer.ts).
import { PostsealError } from '../../kernel/errors.ts';
import type { UnixMs } from '../../kernel/time.ts';
import type { EventDraft, SealedEvent } from '../../ledger/event/draft.ts';
import type { EventSealer } from '../../ledger/event/event-sealer.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { Failure } from './batch-parts.ts';
import {
  type BatchOutcome,
  type BatchScope,
  type CommitInDoubt,
  runBatch,
} from './batch-run.store.ts';
import { wasCommitted } from './commit-outcome.store.ts';
import type { BatchReport } from './committer.ts';
import type { Member } from './member.ts';
import type { Part, PartKind } from './types.ts';
import { WriteConnection } from './write-connection.store.ts';

export interface BatchRunnerDeps {
  readonly db: Database;
  readonly sealer: EventSealer;
  readonly scope: BatchScope;
  readonly patienceMs: number;
  readonly onBatch: ((report: BatchReport) => void) | undefined;
  /** Puts members back before everything that waits. */
  readonly retry: (members: readonly Member[]) => void;
}

type AnyKind = PartKind<unknown, unknown>;
type Committed = Pick<CommitInDoubt, 'at' | 'outputs'>;

/** Batches of its own that one operation may cost before it is to blame. */
const failuresMax = 3;
/** Connections that may be lost under one operation that runs alone: the server may be restarting. */
const lossesMax = 10;
/** Preparations made again after a conflict. */
const recoveriesMax = 5;

export class BatchRunner {
  readonly #deps: BatchRunnerDeps;
  readonly #connection: WriteConnection;
  readonly #recovering = new Set<Promise<void>>();

  constructor(deps: BatchRunnerDeps) {
    this.#deps = deps;
    this.#connection = new WriteConnection(deps.db, deps.patienceMs);
  }

  /** Runs one batch and settles or puts back every member. Never throws. */
  async run(taken: readonly Member[]): Promise<void> {
    const voids = this.#deps.sealer.takeVoids();
    const members = taken.filter((member) => this.#seal(member));
    if (members.length === 0) {
      this.#void(voids);
      return;
    }
    const started = performance.now();
    let client;
    try {
      client = await this.#connection.get();
    } catch (error) {
      this.#void(voids);
      for (const member of members) this.#fail(member, error as PostsealError);
      return;
    }
    const outcome = await runBatch(client, members, voids, this.#deps.scope);
    this.#deps.onBatch?.({
      operations: members.length,
      outcome: outcome.kind,
      milliseconds: performance.now() - started,
    });
    if (outcome.kind === 'lost') this.#connection.drop(client);
    await this.#conclude(members, voids, outcome);
  }

  /** Resolves when no operation is being prepared again. */
  async recovered(): Promise<void> {
    while (this.#recovering.size > 0) await Promise.all(this.#recovering);
  }

  get recovering(): boolean {
    return this.#recovering.size > 0;
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async #conclude(
    members: readonly Member[],
    voids: readonly SealedEvent[],
    outcome: BatchOutcome,
  ): Promise<void> {
    if (outcome.kind === 'committed') {
      this.#succeed(members, outcome);
      return;
    }
    if (outcome.kind === 'lost' && outcome.commit !== undefined) {
      await this.#resolveDoubt(members, voids, outcome.commit, outcome.error);
      return;
    }
    this.#void(voids);
    if (outcome.kind === 'refused') {
      const rest = members.filter((_, i) => !outcome.failures.has(i));
      for (const [i, failure] of outcome.failures) {
        const member = members[i];
        if (member !== undefined) this.#refuse(member, failure);
      }
      this.#again(rest);
      return;
    }
    this.#runAlone(members, outcome.error);
  }

  /** Members of a batch that failed as a whole; one that was alone already is to blame itself. */
  #runAlone(members: readonly Member[], error: PostsealError): void {
    const single = members.length === 1;
    const again = members.filter((member) => {
      member.alone = true;
      if (!single) return true;
      member.failures += 1;
      const most = error.code === 'database.unreachable' ? lossesMax : failuresMax;
      if (error.retryable && error.code !== 'store.conflict' && member.failures < most) return true;
      this.#fail(member, error);
      return false;
    });
    this.#again(again);
  }

  async #resolveDoubt(
    members: readonly Member[],
    voids: readonly SealedEvent[],
    commit: CommitInDoubt,
    lost: PostsealError,
  ): Promise<void> {
    const event = members[0]?.sealed[0]?.id;
    if (event === undefined) return;
    let committed;
    try {
      const client = await this.#connection.get();
      committed = await wasCommitted(client, commit.transaction, event, this.#deps.patienceMs);
    } catch (error) {
      // Nobody knows. The clients hear a retryable error; the numbers are named by a void event,
      // which says "may not have committed" and is no lie if they did.
      this.#void(voids);
      const cause = error instanceof PostsealError ? error : lost;
      for (const member of members) this.#fail(member, cause);
      return;
    }
    if (committed) {
      this.#succeed(members, commit);
      return;
    }
    this.#void(voids);
    this.#runAlone(members, lost);
  }

  #refuse(member: Member, failure: Failure | PostsealError): void {
    if (failure instanceof PostsealError) {
      this.#fail(member, failure);
      return;
    }
    const { kind, input, error } = failure;
    if (kind.recover === undefined || member.recoveries >= recoveriesMax) {
      this.#fail(member, error);
      return;
    }
    member.recoveries += 1;
    this.#unseal(member);
    const recovering = kind
      .recover(input, error)
      .then((again) => {
        if (again) this.#deps.retry([member]);
        else this.#fail(member, error);
      })
      .catch((cause: unknown) => {
        this.#fail(member, cause instanceof PostsealError ? cause : error);
      })
      .finally(() => this.#recovering.delete(recovering));
    this.#recovering.add(recovering);
  }

  #again(members: readonly Member[]): void {
    for (const member of members) this.#unseal(member);
    this.#deps.retry(members);
  }

  /**
   * The numbers of a batch that was rolled back are named by the next one, and the events get new
   * ones: else a crash before their own next batch would leave numbers that nobody accounts for.
   */
  #unseal(member: Member): void {
    this.#void(member.sealed);
    member.sealed = [];
  }

  #seal(member: Member): boolean {
    const sealed: SealedEvent[] = [];
    try {
      const { events, parts } = member.operation;
      for (const [i, draft] of events.entries()) {
        sealed.push(this.#deps.sealer.seal(withNames(draft, i, parts)));
      }
    } catch (error) {
      this.#void(sealed);
      // A draft that cannot be sealed fails alone, and its rows are never written.
      this.#fail(
        member,
        error instanceof PostsealError ? error : new PostsealError('internal', {}, error),
      );
      return false;
    }
    member.sealed = sealed;
    return true;
  }

  #succeed(members: readonly Member[], { at, outputs }: Committed): void {
    announce(members, outputs, at);
    for (const [i, member] of members.entries()) {
      finishParts(member.operation.parts, true);
      const events = member.sealed.map(({ id }) => id);
      member.resolve({ outputs: outputs[i] ?? [], events, at });
    }
  }

  #fail(member: Member, error: PostsealError): void {
    this.#unseal(member);
    finishParts(member.operation.parts, false);
    member.reject(error);
  }

  #void(events: readonly SealedEvent[]): void {
    for (const { q } of events) this.#deps.sealer.void(q);
  }
}

/** The draft of the operation's event `index` with what its parts want it to name. */
function withNames(draft: EventDraft, index: number, parts: readonly Part[]): EventDraft {
  const more = parts.flatMap(({ kind, input, event }) =>
    event === index ? ((kind as AnyKind).names?.(input) ?? []) : [],
  );
  return more.length === 0 ? draft : { ...draft, objects: [...draft.objects, ...more] };
}

/** Tells the kinds of one operation that it is over. */
export function finishParts(parts: readonly Part[], committed: boolean): void {
  for (const { kind, input } of parts) (kind as AnyKind).finished?.(input, committed);
}

/** Tells every kind of a committed batch, once, about all its parts. */
function announce(members: readonly Member[], outputs: readonly unknown[][], at: UnixMs): void {
  const results = new Map<AnyKind, { input: unknown; output: unknown }[]>();
  for (const [i, member] of members.entries()) {
    for (const [slot, { kind, input }] of member.operation.parts.entries()) {
      if (kind.committed === undefined) continue;
      const list = results.get(kind) ?? [];
      results.set(kind, list);
      list.push({ input, output: outputs[i]?.[slot] });
    }
  }
  for (const [kind, list] of results) kind.committed?.(list, at);
}
