// One operation on its way through the committer, and how many of them make a batch.
import type { PostsealError } from '../../kernel/errors.ts';
import type { SealedEvent } from '../../ledger/event/draft.ts';
import type { CommitResult, Operation, Part } from './types.ts';

export interface Member {
  readonly operation: Operation;
  /** Its events while it is in a batch; sealed anew for every batch. */
  sealed: readonly SealedEvent[];
  /** Batches of its own that failed, or connections lost under it. */
  failures: number;
  /** Set when its batch aborted: it is run without company. */
  alone: boolean;
  /** Preparations made again after a conflict. */
  recoveries: number;
  readonly resolve: (result: CommitResult) => void;
  readonly reject: (error: PostsealError) => void;
}

export interface BatchLimits {
  /** Operations in one transaction. */
  readonly operationsMax: number;
  /** Operations that may wait; above it `commit` answers `intake.busy`. */
  readonly queueMax: number;
}

export const batchLimitsDefault: BatchLimits = { operationsMax: 256, queueMax: 20_000 };

const solitary = (member: Member): boolean =>
  member.alone || member.operation.parts.some((part: Part) => part.kind.exclusive === true);

/**
 * Waiting operations in order of arrival. `take` cuts the next batch: as many as fit, but never one
 * that must be alone together with another.
 */
export class MemberQueue {
  #waiting: Member[] = [];
  #first: Member[] = [];

  get length(): number {
    return this.#first.length + this.#waiting.length;
  }

  add(member: Member): void {
    this.#waiting.push(member);
  }

  /** Puts members before everything that waits, in their order. */
  putBack(members: readonly Member[]): void {
    this.#first = [...members, ...this.#first];
  }

  take(max: number): Member[] {
    const source = this.#first.length > 0 ? this.#first : this.#waiting;
    const stop = source.findIndex(solitary);
    const count = stop === 0 ? 1 : Math.min(stop < 0 ? source.length : stop, max);
    return source.splice(0, count);
  }

  takeAll(): Member[] {
    const all = [...this.#first, ...this.#waiting];
    this.#first = [];
    this.#waiting = [];
    return all;
  }
}
