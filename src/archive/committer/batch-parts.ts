// The parts of a batch sorted by kind, and what their kinds answered, sorted back by operation.
import type { PostsealError } from '../../kernel/errors.ts';
import { PostsealError as ArchiveError, assert } from '../../kernel/errors.ts';
import type { MailboxId } from '../../kernel/ids.ts';
import type { Member } from './member.ts';
import type { BatchTx, PartItem, PartKind } from './types.ts';

/** Inputs lose their type in a mixed batch; `part()` made sure that kind and input fit. */
type AnyKind = PartKind<unknown, unknown>;

interface KindGroup {
  readonly kind: AnyKind;
  readonly items: PartItem<unknown>[];
  /** Index of the part in its operation, item by item. */
  readonly slots: number[];
}

export interface Failure {
  readonly kind: AnyKind;
  readonly input: unknown;
  readonly error: PostsealError;
}

/** One list of outputs per operation, and the first failure of each operation that failed. */
export interface Answers {
  readonly outputs: readonly unknown[][];
  readonly failures: ReadonlyMap<number, Failure>;
}

export class BatchParts {
  readonly #groups: readonly KindGroup[];
  readonly #count: number;

  constructor(members: readonly Member[]) {
    const groups = new Map<AnyKind, KindGroup>();
    for (const [opIndex, member] of members.entries()) {
      for (const [slot, part] of member.operation.parts.entries()) {
        const kind = part.kind as AnyKind;
        const group = groups.get(kind) ?? { kind, items: [], slots: [] };
        groups.set(kind, group);
        const event = member.sealed[part.event];
        assert(event !== undefined, 'a part names an event of its operation');
        group.items.push({ input: part.input, event: event.id, opIndex });
        group.slots.push(slot);
      }
    }
    this.#groups = [...groups.values()].sort((a, b) => a.kind.stage - b.kind.stage);
    this.#count = members.length;
  }

  get empty(): boolean {
    return this.#groups.length === 0;
  }

  /** Tags and mailboxes of all parts, each once and sorted, so that every batch locks in one order. */
  locks(): { contents: Buffer[]; mailboxes: MailboxId[] } {
    const contents = new Map<string, Buffer>();
    const mailboxes = new Set<MailboxId>();
    for (const { kind, items } of this.#groups) {
      for (const { input } of items) {
        const locks = kind.locks(input);
        for (const tag of locks.contents ?? []) {
          const buffer = Buffer.from(tag.buffer, tag.byteOffset, tag.byteLength);
          contents.set(buffer.toString('latin1'), buffer);
        }
        for (const mailbox of locks.mailboxes ?? []) mailboxes.add(mailbox);
      }
    }
    return {
      contents: [...contents.values()].sort((a, b) => Buffer.compare(a, b)),
      mailboxes: [...mailboxes].sort(),
    };
  }

  /** Starts everything that COMMIT waits for; the answer names the operations that may not commit. */
  async settle(members: readonly Member[]): Promise<ReadonlyMap<number, Failure | PostsealError>> {
    const failed = new Map<number, Failure | PostsealError>();
    const waits: Promise<void>[] = [];
    for (const { kind, items } of this.#groups) {
      const wait = kind.settle?.(items.map(({ input }) => input)).then((errors) => {
        for (const [i, { opIndex, input }] of items.entries()) {
          const error = errors[i];
          if (error !== undefined) failed.set(opIndex, { kind, input, error });
        }
      });
      if (wait !== undefined) waits.push(wait);
    }
    for (const [opIndex, { operation }] of members.entries()) {
      const wait = operation.ready?.catch((error: unknown) => {
        failed.set(opIndex, asArchiveError(error));
      });
      if (wait !== undefined) waits.push(wait);
    }
    await Promise.all(waits);
    return failed;
  }

  /**
   * Runs every kind. Never leaves one running: a statement sent after ROLLBACK would be on its own.
   * @throws the first error that a kind threw, after all of them ended.
   */
  async apply(tx: BatchTx): Promise<Answers> {
    const outputs: unknown[][] = Array.from({ length: this.#count }, () => []);
    const failures = new Map<number, Failure>();
    let first: { readonly error: unknown } | undefined;
    const runs = this.#groups.map(async ({ kind, items, slots }) => {
      try {
        const answers = await kind.apply(tx, items);
        assert(answers.length === items.length, `${kind.name} answers every item`);
        for (const [i, item] of items.entries()) {
          const answer = answers[i];
          if (answer instanceof ArchiveError) {
            if (!failures.has(item.opIndex)) {
              failures.set(item.opIndex, { kind, input: item.input, error: answer });
            }
            continue;
          }
          const row = outputs[item.opIndex];
          const slot = slots[i];
          if (row !== undefined && slot !== undefined) row[slot] = answer;
        }
      } catch (error) {
        first ??= { error };
      }
    });
    await Promise.all(runs);
    if (first !== undefined) throw first.error;
    return { outputs, failures };
  }
}

function asArchiveError(error: unknown): PostsealError {
  return error instanceof ArchiveError ? error : new ArchiveError('internal', {}, error);
}
