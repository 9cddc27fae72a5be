// One session's picture of a mailbox: which messages it has been told of, in which places (RFC 9051
// §2.3.1.2). It compares that picture with the shared state and says what the session must be told. Pure.
import type { ModSeq, SeqNum, Uid } from '../../kernel/ids.ts';
import { lowerBound } from '../../imap/wire/ranges.ts';
import type { Generation } from '../state/generation.ts';
import type { FlagChange } from '../types.ts';

/** The shared state at one moment. */
export interface Shared {
  readonly messages: Generation;
  readonly uidNext: number;
  readonly highestModseq: number;
}

export interface TrackerNews {
  readonly vanished: { readonly uids: readonly Uid[]; readonly seqs: readonly SeqNum[] };
  /** True if messages were added: the session must be told the new count. */
  readonly exists: boolean;
  readonly flags: readonly FlagChange[];
}

/** A message that is gone but still has its place in the session's picture. */
interface Ghost {
  readonly flags: number;
  readonly modseq: number;
}

export class Tracker {
  /** The shared messages when the picture was last compared. */
  #base: Generation;
  /** Ascending; with ghosts it is an array of its own, else a window on the base. */
  #uids: Uint32Array;
  #ghosts = new Map<number, Ghost>();
  #uidNext: number;
  #highest: number;
  /** Told by a tagged answer: state of this message is known to the session at that modseq. */
  readonly #told = new Map<number, number>();

  constructor(shared: Shared) {
    this.#base = shared.messages;
    this.#uids = shared.messages.uids();
    this.#uidNext = shared.uidNext;
    this.#highest = shared.highestModseq;
  }

  get uids(): Uint32Array {
    return this.#uids;
  }
  get uidNext(): Uid {
    return this.#uidNext as Uid;
  }
  get highestModseq(): ModSeq {
    return this.#highest as ModSeq;
  }

  /** The session learns this state of its messages from the answer to its own command. */
  tell(messages: readonly { readonly uid: number; readonly modseq: number }[]): void {
    for (const { uid, modseq } of messages) this.#told.set(uid, modseq);
  }

  /** Newest known flags of the message in place `index`. */
  flags(current: Generation, index: number): number {
    const at = this.#place(current, index);
    return at >= 0 ? current.flagsAt(at) : this.#gone(index).flags;
  }

  /** Newest known modseq of the message in place `index`. */
  modseq(current: Generation, index: number): number {
    const at = this.#place(current, index);
    return at >= 0 ? current.modseqAt(at) : this.#gone(index).modseq;
  }

  /** Where the message of place `index` is in `current`, mostly in the same place; -1: it is gone. */
  #place(current: Generation, index: number): number {
    const uid = this.#uids[index] ?? 0;
    return index < current.count && current.uidAt(index) === uid ? index : current.indexOf(uid);
  }

  #gone(index: number): Ghost {
    const uid = this.#uids[index] ?? 0;
    const ghost = this.#ghosts.get(uid);
    if (ghost !== undefined) return ghost;
    const before = this.#base.indexOf(uid);
    return { flags: this.#base.flagsAt(before), modseq: this.#base.modseqAt(before) };
  }

  /** Compares, and takes what is told into the picture. `expunges: false` keeps the vanished. */
  compare(shared: Shared, expunges: boolean): TrackerNews {
    const { messages } = shared;
    const before = this.#uidNext;
    if (messages !== this.#base) this.#findGhosts(messages);
    const vanished = expunges ? this.#layGhosts() : { uids: [], seqs: [] };
    const exists = messages.lastUid >= before;
    if (this.#ghosts.size === 0) {
      this.#uids = messages.uids();
    } else if (exists) {
      const from = lowerBound(messages.uids(), before);
      this.#uids = joined(this.#uids, messages.uids().subarray(from));
    }
    const flags = this.#flagChanges(shared, before);
    this.#base = messages;
    this.#uidNext = Math.max(this.#uidNext, shared.uidNext, messages.lastUid + 1);
    this.#highest = shared.highestModseq;
    this.#told.clear();
    return { vanished, exists, flags };
  }

  /** Remembers the last state of messages that are in the picture and no longer in `messages`. */
  #findGhosts(messages: Generation): void {
    let at = 0;
    for (const uid of this.#uids) {
      while (at < messages.count && messages.uidAt(at) < uid) at += 1;
      if (at < messages.count && messages.uidAt(at) === uid) continue;
      if (this.#ghosts.has(uid)) continue;
      const index = this.#base.indexOf(uid);
      this.#ghosts.set(uid, {
        flags: this.#base.flagsAt(index),
        modseq: this.#base.modseqAt(index),
      });
    }
  }

  /** Places are those of the picture as it was. The picture is rebuilt by the caller. */
  #layGhosts(): TrackerNews['vanished'] {
    const uids = [...this.#ghosts.keys()].sort((a, b) => a - b) as Uid[];
    const seqs = uids.map((uid) => (lowerBound(this.#uids, uid) + 1) as SeqNum);
    this.#ghosts.clear();
    return { uids, seqs };
  }

  /** Messages that the session knew before and whose modseq has grown. */
  #flagChanges(shared: Shared, before: number): FlagChange[] {
    if (shared.highestModseq <= this.#highest) return [];
    const { messages } = shared;
    const out: FlagChange[] = [];
    for (let i = 0; i < messages.count; i += 1) {
      const modseq = messages.modseqAt(i);
      if (modseq <= this.#highest) continue;
      const uid = messages.uidAt(i);
      if (uid >= before) break;
      if (this.#told.get(uid) === modseq) continue;
      const place = this.#ghosts.size === 0 ? i : lowerBound(this.#uids, uid);
      out.push({
        uid: uid as Uid,
        seq: (place + 1) as SeqNum,
        flags: messages.flagsAt(i),
        modseq: modseq as ModSeq,
      });
    }
    return out;
  }
}

function joined(a: Uint32Array, b: Uint32Array): Uint32Array {
  const out = new Uint32Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}
