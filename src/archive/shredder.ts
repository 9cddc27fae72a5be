// Orders shreds: every erasure target's purge in one operation of one event, hence in one transaction, and
// after its commit a look at every table again.
import { PostsealError } from '../kernel/errors.ts';
import type { EventDraft } from '../ledger/event/draft.ts';
import type { Database } from '../platform/postgres/database.ts';
import type { Committer, Part } from './committer/types.ts';
import type { ErasureTarget, HeldRows, Purge } from './erasure-target.ts';
import type { Shredded } from './shred-part.store.ts';
import type { RecordRef, ShredCause, ShredResult } from './types.ts';

export interface ShredderDeps {
  readonly db: Database;
  readonly committer: Committer;
  /** The archive's own. */
  readonly record: ErasureTarget<Shredded>;
  /** Of the rooms below; asked for each shred, because they are made after the archive. */
  readonly others: () => readonly ErasureTarget[];
}

export class Shredder {
  readonly #deps: ShredderDeps;
  #last: Promise<unknown> = Promise.resolve();

  constructor(deps: ShredderDeps) {
    this.#deps = deps;
  }

  /** One after the other: each has a batch of its own, and one pooled connection serves them all. */
  shred(ref: RecordRef, cause: ShredCause): Promise<ShredResult> {
    const running = this.#last.then(() => this.#shred(ref, cause));
    // Whether it succeeded is its own caller's business.
    this.#last = running.catch(() => undefined);
    return running;
  }

  async #shred(ref: RecordRef, cause: ShredCause): Promise<ShredResult> {
    const { committer, record, others } = this.#deps;
    const targets = others();
    const taken: Purge[] = [];
    const take = async <O>(target: ErasureTarget<O>): Promise<Part<O>> => {
      const purge = await target.purge(ref);
      taken.push(purge);
      return purge.part;
    };
    try {
      const own = await take(record);
      const parts: Part[] = [];
      for (const target of targets) parts.push(await take(target));
      const { outputs, events } = await committer.commit({
        events: [shredDraft(ref, cause)],
        parts: [own, ...parts] as [typeof own, ...Part[]],
      });
      const [event] = events;
      if (event === undefined) throw new PostsealError('internal', { what: 'event without id' });
      await this.#verify(ref, [record, ...targets]);
      return { event, ...outputs[0] };
    } finally {
      for (const purge of taken) await purge.release?.();
    }
  }

  /** A copy that some table keeps is no erasure, whatever was committed. */
  async #verify(ref: RecordRef, targets: readonly ErasureTarget[]): Promise<void> {
    const left: HeldRows[] = [];
    for (const target of targets) left.push(...(await target.verify(this.#deps.db.pool, ref)));
    if (left.length === 0) return;
    const tables = left.map(({ table, rows }) => `${table} ${String(rows)}`).join(', ');
    throw new PostsealError('erasure.incomplete', { record: ref.recordId, tables });
  }
}

function shredDraft({ custodian, recordId }: RecordRef, cause: ShredCause): EventDraft {
  return {
    ...cause,
    op: 'record.shredded',
    outcome: 'success',
    objects: [
      { t: 'rec', id: recordId },
      { t: 'cus', id: custodian },
    ],
  };
}
