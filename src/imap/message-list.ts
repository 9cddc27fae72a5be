// Messages of a view that a command means, ascending: eight bytes each, since a command may mean half a
// million, and objects only for those that are handled just now.
import type { Uid } from '../kernel/ids.ts';
import { countRanges, type Ranges, rangesOfSorted } from './wire/ranges.ts';

/** A message of the view: its index in the snapshot, its sequence number less one. */
export interface ViewMessage {
  readonly index: number;
  readonly uid: Uid;
}

export class MessageList {
  readonly #indexes: Uint32Array;
  readonly #uids: Uint32Array;

  private constructor(indexes: Uint32Array, uids: Uint32Array) {
    this.#indexes = indexes;
    this.#uids = uids;
  }

  /** Messages at `ranges` of zero-based indexes into the view's `uids`. */
  static at(ranges: Ranges, uids: Uint32Array): MessageList {
    const indexes = new Uint32Array(countRanges(ranges));
    const own = new Uint32Array(indexes.length);
    let place = 0;
    for (const { low, high } of ranges) {
      for (let index = low; index <= high; index += 1) indexes[place + index - low] = index;
      own.set(uids.subarray(low, high + 1), place);
      place += high - low + 1;
    }
    return new MessageList(indexes, own);
  }

  /** Messages whose mark is not zero. */
  static marked(marks: Uint8Array, uids: Uint32Array): MessageList {
    let count = 0;
    for (const mark of marks) if (mark !== 0) count += 1;
    const indexes = new Uint32Array(count);
    let place = 0;
    for (let index = 0; index < marks.length; index += 1) {
      if (marks[index] === 0) continue;
      indexes[place] = index;
      place += 1;
    }
    return new MessageList(
      indexes,
      indexes.map((index) => uids[index] ?? 0),
    );
  }

  get length(): number {
    return this.#indexes.length;
  }

  get first(): ViewMessage | undefined {
    return this.length === 0 ? undefined : this.#get(0);
  }

  get last(): ViewMessage | undefined {
    return this.length === 0 ? undefined : this.#get(this.length - 1);
  }

  slice(from: number, to: number): ViewMessage[] {
    const out: ViewMessage[] = [];
    for (let place = from; place < Math.min(to, this.length); place += 1)
      out.push(this.#get(place));
    return out;
  }

  uids(from = 0, to = this.length): Uid[] {
    return Array.from(this.#uids.subarray(from, to)) as Uid[];
  }

  /** Their uids. */
  uidRanges(): Ranges {
    return rangesOfSorted(this.#uids);
  }

  /** Their sequence numbers. */
  numberRanges(): Ranges {
    return rangesOfSorted(this.#indexes).map(({ low, high }) => ({ low: low + 1, high: high + 1 }));
  }

  filter(keep: (index: number) => boolean): MessageList {
    const places = this.#indexes.map((index, place) => (keep(index) ? place + 1 : 0));
    const kept = places.filter((place) => place !== 0);
    return new MessageList(
      kept.map((place) => this.#indexes[place - 1] ?? 0),
      kept.map((place) => this.#uids[place - 1] ?? 0),
    );
  }

  *[Symbol.iterator](): Generator<ViewMessage> {
    for (let place = 0; place < this.length; place += 1) yield this.#get(place);
  }

  #get(place: number): ViewMessage {
    return { index: this.#indexes[place] ?? 0, uid: (this.#uids[place] ?? 0) as Uid };
  }
}
