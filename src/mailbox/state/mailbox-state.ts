// One mailbox in this process, shared by all views: messages, what is known to be newer, keywords.
// Truth is `modseq > highest` in PostgreSQL. Deltas of commits made here are applied without reading when
// they follow on without a gap; everything else is read. Flags here are never the base of a change.
import { PostsealError } from '../../kernel/errors.ts';
import type { ModSeq, UidValidity } from '../../kernel/ids.ts';
import type { Queryable } from '../../platform/postgres/statement.ts';
import { andBits, orBits, withoutBits } from '../flags/bits.ts';
import type { MailboxDelta } from '../parts/delta.ts';
import { Generation } from './generation.ts';
import {
  type BaseState,
  type Catchup,
  type MailboxKey,
  readCatchup,
  readKeywords,
  readRows,
  readSnapshot,
  type RecentClaim,
  type RecentRange,
  type SealedKeyword,
  type UidSpan,
} from './read-state.store.ts';
import { TimeSlice } from './time-slice.ts';

/** A pruned log may overtake a load a few times; more often is a fault. */
const loadsMax = 5;
const systemBits = 31;
/** Of a state without messages: its objects, and the subscription to hints. */
const emptyBytes = 1_024;
/** Deltas that wait for one before them; beyond it PostgreSQL is asked. */
const waitingMax = 256;

/** A session that takes what is \Recent with the next read. */
export interface RecentTaker extends RecentClaim {
  take(range: RecentRange): void;
}

export class MailboxState {
  readonly key: MailboxKey;
  readonly uidValidity: UidValidity;
  readonly #db: Queryable;
  #messages: Generation;
  #uidNext: number;
  #highest: number;
  #gone: boolean;
  #nameTag: string;
  #recentFrom: number;
  #keywords: readonly SealedKeyword[];
  #keywordBits: number;
  /** Bits that changes brought; one that is not known asks for the keywords anew. */
  #usedBits = systemBits;
  #snapshotModseq: number;
  #changedSinceSnapshot = 0;
  /** Something newer exists, or may. */
  #stale = false;
  #checkedAt: number;
  /** When the last read that was answered was sent: it saw what was committed before. */
  #readAt: number;
  #taker: RecentTaker | undefined;
  #waiting = new Map<number, MailboxDelta>();
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  readonly #listeners = new Set<() => void>();

  private constructor(db: Queryable, key: MailboxKey, base: BaseState, log: Catchup, at: number) {
    this.#db = db;
    this.key = key;
    this.uidValidity = log.uidValidity as UidValidity;
    this.#messages = base.messages;
    this.#highest = base.modseq;
    this.#snapshotModseq = base.snapshotModseq;
    this.#uidNext = log.uidNext;
    this.#gone = log.gone;
    this.#nameTag = log.nameTag;
    this.#recentFrom = log.recentFrom;
    this.#keywords = [];
    this.#keywordBits = systemBits;
    this.#checkedAt = at;
    this.#readAt = at;
  }

  /** @throws PostsealError `mailbox.unknown`. */
  static async load(db: Queryable, key: MailboxKey): Promise<MailboxState> {
    for (let tries = 0; tries < loadsMax; tries += 1) {
      const base = (await readSnapshot(db, key)) ?? (await readRows(db, key));
      const at = performance.now();
      const log = base === undefined ? undefined : await readCatchup(db, key, base.modseq);
      if (base === undefined || log === undefined) break;
      if (log.floor > base.modseq) continue;
      const state = new MailboxState(db, key, base, log, at);
      await state.#apply(log);
      state.#keywords = await readKeywords(db, key);
      state.#keywordBits = bitsOf(state.#keywords);
      // A mailbox that was read from its rows wants a snapshot as if all of it had changed.
      if (base.snapshotModseq === 0) state.#changedSinceSnapshot += base.messages.count;
      return state;
    }
    throw new PostsealError('mailbox.unknown', { mailbox: key.mailbox });
  }

  get messages(): Generation {
    return this.#messages;
  }
  get uidNext(): number {
    return this.#uidNext;
  }
  get highestModseq(): ModSeq {
    return this.#highest as ModSeq;
  }
  get gone(): boolean {
    return this.#gone;
  }
  /** Hex; as of the last read. */
  get nameTag(): string {
    return this.#nameTag;
  }
  /** Everything below was shown as \Recent to some session; never too high. */
  get recentFrom(): number {
    return this.#recentFrom;
  }
  get keywords(): readonly SealedKeyword[] {
    return this.#keywords;
  }
  get bytes(): number {
    return emptyBytes + this.#messages.bytes;
  }
  /** Messages that changed since the stored snapshot. */
  get changedSinceSnapshot(): number {
    return this.#changedSinceSnapshot;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** A commit of this process. */
  offer(delta: MailboxDelta): void {
    if (delta.modseq <= this.#highest) return;
    this.#waiting.set(delta.modseq, delta);
    for (;;) {
      const next = this.#waiting.get(this.#highest + 1);
      if (next === undefined) break;
      this.#waiting.delete(next.modseq);
      this.#take(next);
    }
    if (this.#waiting.size > 0) this.#stale = true;
    if (this.#waiting.size > waitingMax) this.#waiting.clear();
    this.#wake();
  }

  /** A session was shown everything below `uid` as \Recent. */
  shownRecent(uid: number): void {
    this.#recentFrom = Math.max(this.#recentFrom, uid);
  }

  /** Something up to `modseq` was committed somewhere. */
  hint(modseq: ModSeq): void {
    if (modseq <= this.#highest) return;
    this.#stale = true;
    this.#wake();
  }

  /** Reads what is newer, unless this state was sure of itself within the last `trustMs`. */
  freshen(trustMs: number): Promise<void> {
    return this.#freshen(performance.now() - this.#checkedAt < trustMs);
  }

  /**
   * Takes nothing on trust: knows what was committed before `at`, in the time of performance.now(). When
   * there may be something for `taker`, the same read takes it.
   */
  freshenFrom(at: number, taker?: RecentTaker): Promise<void> {
    const fresh = this.#readAt >= at;
    if (!fresh && (this.#stale || this.#recentFrom < this.#uidNext)) this.#taker ??= taker;
    return this.#freshen(fresh);
  }

  async #freshen(fresh: boolean): Promise<void> {
    if (this.#stale || !fresh) await this.#readAnew();
    if (withoutBits(this.#usedBits, this.#keywordBits) !== 0) await this.reloadKeywords();
  }

  /** A read that has begun may miss what was committed before this call: the one after it does not. */
  #readAnew(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running
      .catch(() => {
        // Its own callers get the error; the next read is a new try.
      })
      .then(() => this.#running ?? this.#start());
    return this.#next;
  }

  /** One read at a time: two would undo each other's changes where they rest. */
  #start(): Promise<void> {
    this.#next = undefined;
    this.#running = this.#read().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Keywords anew, after one was allotted. */
  async reloadKeywords(): Promise<void> {
    this.#keywords = await readKeywords(this.#db, this.key);
    this.#keywordBits = bitsOf(this.#keywords);
    this.#usedBits = andBits(this.#usedBits, this.#keywordBits);
  }

  /** The stored snapshot is now of `modseq`. */
  snapshotWritten(modseq: number, changedBefore: number): void {
    this.#snapshotModseq = modseq;
    this.#changedSinceSnapshot = Math.max(0, this.#changedSinceSnapshot - changedBefore);
  }

  get snapshotModseq(): number {
    return this.#snapshotModseq;
  }

  async #read(): Promise<void> {
    const at = performance.now();
    const before = this.#highest;
    const taker = this.#taker;
    this.#taker = undefined;
    this.#stale = false;
    try {
      const log = await readCatchup(this.#db, this.key, this.#highest, taker);
      if (log?.claimed !== undefined) taker?.take(log.claimed);
      this.#note(log);
      if (log !== undefined) {
        await (log.floor > this.#highest ? this.#reload() : this.#apply(log));
      }
      this.#checkedAt = at;
      this.#readAt = at;
      // One view's read serves all views of the mailbox: those that only wait must hear of it too.
      if (this.#highest > before || this.#gone) this.#wake();
    } catch (error) {
      this.#stale = true;
      throw error;
    }
  }

  /** What the mailbox's own row says, whatever becomes of the messages. */
  #note(log: Catchup | undefined): void {
    this.#gone ||= log?.gone ?? true;
    this.#nameTag = log?.nameTag ?? this.#nameTag;
    this.shownRecent(log?.claimed?.to ?? log?.recentFrom ?? 0);
  }

  /** The logs no longer reach back to this state. */
  async #reload(): Promise<void> {
    const fresh = await MailboxState.load(this.#db, this.key);
    if (fresh.#highest < this.#highest) return;
    this.#messages = fresh.#messages;
    this.#highest = fresh.#highest;
    this.#uidNext = fresh.#uidNext;
    this.#keywords = fresh.#keywords;
    this.#keywordBits = fresh.#keywordBits;
    this.#snapshotModseq = fresh.#snapshotModseq;
    this.#changedSinceSnapshot = fresh.#changedSinceSnapshot;
  }

  /**
   * Deltas may be applied while this rests. That is right because what they brought is skipped here, and
   * because a uid that vanished never comes back.
   */
  async #apply(log: Catchup): Promise<void> {
    const slice = new TimeSlice();
    for (const { modseq, uids, flags } of log.changes) {
      if (modseq <= this.#highest) continue;
      for (const [i, uid] of uids.entries()) {
        if (!inSpans(log.vanished, uid)) this.#put(uid, flags[i] ?? 0, modseq);
      }
      await slice.rest();
    }
    this.#messages = this.#messages.without(log.vanished);
    this.#changedSinceSnapshot += log.vanished.length;
    this.#uidNext = Math.max(this.#uidNext, log.uidNext);
    this.#highest = Math.max(this.#highest, log.highestModseq);
    for (const modseq of this.#waiting.keys()) {
      if (modseq <= this.#highest) this.#waiting.delete(modseq);
    }
  }

  #take(delta: MailboxDelta): void {
    for (const [i, uid] of delta.uids.entries()) {
      this.#put(uid, delta.flags[i] ?? 0, delta.modseq);
    }
    if (delta.vanished.length > 0) {
      this.#messages = this.#messages.without(
        delta.vanished.map((uid) => ({ first: uid, last: uid })),
      );
      this.#changedSinceSnapshot += delta.vanished.length;
    }
    const last = delta.uids.at(-1);
    if (last !== undefined) this.#uidNext = Math.max(this.#uidNext, last + 1);
    this.#gone ||= delta.gone === true;
    this.#highest = delta.modseq;
    // The commit held the mailbox's row lock, so at that moment nothing was newer.
    this.#checkedAt = performance.now();
  }

  #put(uid: number, flags: number, modseq: number): void {
    this.#changedSinceSnapshot += 1;
    if (flags > systemBits) this.#usedBits = orBits(this.#usedBits, flags);
    if (uid > this.#messages.lastUid) {
      this.#messages.push(uid, flags, modseq);
      return;
    }
    const index = this.#messages.indexOf(uid);
    if (index >= 0 && this.#messages.modseqAt(index) <= modseq) {
      this.#messages.set(index, flags, modseq);
    }
  }

  #wake(): void {
    for (const listener of this.#listeners) listener();
  }
}

function bitsOf(keywords: readonly SealedKeyword[]): number {
  let bits = systemBits;
  for (const { bit } of keywords) bits = orBits(bits, 2 ** bit);
  return bits;
}

/** `spans` are sorted by their first uid and may overlap; those that vanished are few. */
function inSpans(spans: readonly UidSpan[], uid: number): boolean {
  for (const { first, last } of spans) {
    if (first > uid) return false;
    if (last >= uid) return true;
  }
  return false;
}
