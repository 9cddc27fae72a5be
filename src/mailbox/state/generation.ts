// The messages of a mailbox in this process: three typed arrays, 20 bytes a message, ascending by uid.
// A generation only grows and changes flags in place; when messages vanish a new one is made and the old
// one stays as it was, for views that have not told their client yet. Pure.
import { lowerBound } from '../../imap/wire/ranges.ts';

export const bytesPerMessage = 20;
const spareMin = 16;

export class Generation {
  #uids: Uint32Array;
  #flags: Float64Array;
  #modseqs: Float64Array;
  #count: number;

  constructor(capacity = 0) {
    this.#uids = new Uint32Array(capacity);
    this.#flags = new Float64Array(capacity);
    this.#modseqs = new Float64Array(capacity);
    this.#count = 0;
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes held, spare room included. */
  get bytes(): number {
    return this.#uids.length * bytesPerMessage;
  }

  get lastUid(): number {
    return this.#count === 0 ? 0 : this.uidAt(this.#count - 1);
  }

  /** A window on the first `count` uids; later appends do not show in it. */
  uids(count = this.#count): Uint32Array {
    return this.#uids.subarray(0, count);
  }

  uidAt(index: number): number {
    return this.#uids[index] ?? 0;
  }

  flagsAt(index: number): number {
    return this.#flags[index] ?? 0;
  }

  modseqAt(index: number): number {
    return this.#modseqs[index] ?? 0;
  }

  /** -1 if it is not there. */
  indexOf(uid: number): number {
    // Without gaps the place follows from the uid; it is right often enough to look there first.
    const guess = uid - this.uidAt(0);
    if (guess >= 0 && guess < this.#count && this.#uids[guess] === uid) return guess;
    const at = lowerBound(this.uids(), uid);
    return at < this.#count && this.#uids[at] === uid ? at : -1;
  }

  /** `uid` must be above the last one. */
  push(uid: number, flags: number, modseq: number): void {
    if (this.#count === this.#uids.length) this.#grow(this.#count >> 3);
    this.#uids[this.#count] = uid;
    this.#flags[this.#count] = flags;
    this.#modseqs[this.#count] = modseq;
    this.#count += 1;
  }

  /** Makes room for `extra` messages, so that adding them copies nothing. */
  reserve(extra: number): void {
    if (this.#count + extra > this.#uids.length) this.#grow(extra);
  }

  /**
   * Adds `count` messages that `fill` writes into the arrays it is given; nothing when it answers false.
   * Uids must ascend and be above the last one.
   */
  extend(
    count: number,
    fill: (uids: Uint32Array, flags: Float64Array, modseqs: Float64Array) => boolean,
  ): boolean {
    this.reserve(count);
    const to = this.#count + count;
    const good = fill(
      this.#uids.subarray(this.#count, to),
      this.#flags.subarray(this.#count, to),
      this.#modseqs.subarray(this.#count, to),
    );
    if (good) this.#count = to;
    return good;
  }

  set(index: number, flags: number, modseq: number): void {
    this.#flags[index] = flags;
    this.#modseqs[index] = modseq;
  }

  /** What remains when the uids of the ascending ranges are gone; `this` if none of them is here. */
  without(ranges: readonly { readonly first: number; readonly last: number }[]): Generation {
    const cuts: [from: number, to: number][] = [];
    let gone = 0;
    const uids = this.uids();
    for (const { first, last } of ranges) {
      const from = lowerBound(uids, first);
      const to = lowerBound(uids, last + 1);
      if (to === from) continue;
      cuts.push([from, to]);
      gone += to - from;
    }
    if (gone === 0) return this;
    const out = new Generation(this.#count - gone + spareMin);
    let at = 0;
    for (const [from, to] of cuts) {
      out.#copy(this, at, from);
      at = to;
    }
    out.#copy(this, at, this.#count);
    return out;
  }

  /** A copy without spare room, to be read while the original goes on. */
  freeze(): Generation {
    const out = new Generation(this.#count);
    out.#copy(this, 0, this.#count);
    return out;
  }

  #copy(from: Generation, start: number, end: number): void {
    this.#uids.set(from.#uids.subarray(start, end), this.#count);
    this.#flags.set(from.#flags.subarray(start, end), this.#count);
    this.#modseqs.set(from.#modseqs.subarray(start, end), this.#count);
    this.#count += end - start;
  }

  /** Windows handed out before keep the old arrays, whose uids are the same. */
  #grow(extra: number): void {
    const capacity = this.#count + Math.max(spareMin, extra);
    const grown = new Generation(capacity);
    grown.#copy(this, 0, this.#count);
    this.#uids = grown.#uids;
    this.#flags = grown.#flags;
    this.#modseqs = grown.#modseqs;
  }
}
