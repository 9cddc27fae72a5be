// The heart (architecture §2): one per process, one write connection, no timer. A batch closes when
// the previous commit returns, so a busy server makes large batches and an idle one answers at once.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { assert, PostsealError } from '../../kernel/errors.ts';
import type { CustodianId, OrganisationId, PersonId } from '../../kernel/ids.ts';
import type { EventDraft } from '../../ledger/event/draft.ts';
import type { EventSealer } from '../../ledger/event/event-sealer.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { BatchRunner, finishParts } from './batch-runner.ts';
import { type BatchLimits, batchLimitsDefault, type Member, MemberQueue } from './member.ts';
import type { CommitResult, Committer, Operation, Part } from './types.ts';

export interface BatchReport {
  readonly operations: number;
  readonly outcome: 'committed' | 'refused' | 'aborted' | 'lost';
  /** From BEGIN to the answer of COMMIT. */
  readonly milliseconds: number;
}

export interface CommitterDeps {
  readonly db: Database;
  readonly sealer: EventSealer;
  readonly organisation: OrganisationId;
  /** Loads side-record keys before a draft with personal values is sealed. */
  readonly loadSideKeys?: (subjects: readonly (CustodianId | PersonId)[]) => Promise<void>;
  /**
   * Locks mailboxes for `PartLocks.mailboxes`: takes one `$1::uuid[]`, orders by id, `FOR UPDATE`, and
   * returns `mailbox_id` as text with whatever the mailbox kinds need.
   */
  readonly mailboxLock?: { readonly name: string; readonly text: string };
  readonly limits?: Partial<BatchLimits>;
  /** How long a lost connection is looked for before operations fail; default 10 s. */
  readonly patienceMs?: number;
  readonly onBatch?: (report: BatchReport) => void;
}

/** Makes the committer of this process. The write connection opens with the first batch. */
export function createCommitter(deps: CommitterDeps): Committer {
  return new BatchCommitter(deps);
}

const patienceMsDefault = 10_000;
/** More bring no larger batches (docs/performance.md). */
const gatherTurns = 4;

class BatchCommitter implements Committer {
  readonly #deps: CommitterDeps;
  readonly #limits: BatchLimits;
  readonly #queue = new MemberQueue();
  readonly #runner: BatchRunner;
  #loop: Promise<void> | undefined;
  #closing = false;

  constructor(deps: CommitterDeps) {
    this.#deps = deps;
    this.#limits = { ...batchLimitsDefault, ...deps.limits };
    this.#runner = new BatchRunner({
      db: deps.db,
      sealer: deps.sealer,
      scope: { organisation: deps.organisation, mailboxLock: deps.mailboxLock },
      patienceMs: deps.patienceMs ?? patienceMsDefault,
      onBatch: deps.onBatch,
      retry: (members) => {
        this.#queue.putBack(members);
        this.#wake();
      },
    });
  }

  get queued(): number {
    return this.#queue.length;
  }

  async commit<const P extends readonly Part[]>(operation: Operation<P>): Promise<CommitResult<P>> {
    const { length } = operation.events;
    assert(
      operation.parts.every(({ event }) => event < length),
      'a part names an event of its operation',
    );
    try {
      const subjects = personalSubjects(operation.events);
      if (subjects.length > 0 && !this.#busy) await this.#deps.loadSideKeys?.(subjects);
      if (this.#busy) throw new PostsealError('intake.busy', { queued: this.#queue.length });
    } catch (error) {
      // The caller drops the operation, and with it a rejection that nobody else will see.
      operation.ready?.catch(() => undefined);
      finishParts(operation.parts, false);
      throw error;
    }
    const done = new Promise<CommitResult>((resolve, reject) => {
      this.#queue.add({
        operation,
        sealed: [],
        failures: 0,
        alone: false,
        recoveries: 0,
        resolve,
        reject,
      });
    });
    this.#wake();
    return (await done) as CommitResult<P>;
  }

  async record(draft: EventDraft): Promise<CommitResult['events'][number]> {
    const { events } = await this.commit({ events: [draft], parts: [] });
    const [id] = events;
    if (id === undefined) throw new PostsealError('internal', { what: 'event without id' });
    return id;
  }

  async close(): Promise<void> {
    this.#closing = true;
    do {
      await this.#runner.recovered();
      await this.#loop;
    } while (this.#queue.length > 0 || this.#runner.recovering);
    await this.#runner.close();
  }

  get #busy(): boolean {
    return this.#closing || this.#queue.length >= this.#limits.queueMax;
  }

  #wake(): void {
    if (this.#loop !== undefined) return;
    this.#loop = this.#drain();
  }

  async #drain(): Promise<void> {
    // One turn of the event loop, so that everything of this turn shares the first batch.
    await nextTurn();
    while (this.#queue.length > 0) {
      const batch = this.#take();
      await this.#runner.run(batch);
      await this.#gather(this.#queue.length + batch.length);
    }
    this.#loop = undefined;
  }

  /**
   * Under load a few turns of the event loop between batches: clients that were just answered send their
   * next command, and it shares the next batch. Costs microseconds, where a batch of half the size costs
   * PostgreSQL and this process a fixed part more. Nobody waits who is alone.
   */
  async #gather(most: number): Promise<void> {
    for (let turn = 0; turn < gatherTurns; turn += 1) {
      if (this.#queue.length === 0 || this.#queue.length >= most) return;
      await wholeTurn();
    }
  }

  #take(): Member[] {
    return this.#queue.take(this.#limits.operationsMax);
  }
}

/** The first immediate of a callback comes before sockets are read again, the second after it. */
async function wholeTurn(): Promise<void> {
  await nextTurn();
  await nextTurn();
}

function personalSubjects(drafts: readonly EventDraft[]): readonly (CustodianId | PersonId)[] {
  return drafts.flatMap(({ personal }) => personal?.map(({ subject }) => subject) ?? []);
}
