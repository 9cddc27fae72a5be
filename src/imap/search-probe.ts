// What a SEARCH can ask of a message without opening anything: numbers, flags, sets. One probe goes over
// all messages of a mailbox, since half a million objects would cost more than the search.
import type { ModSeq, Uid } from '../kernel/ids.ts';
import type { UnixMs } from '../kernel/time.ts';
import { hasBit, systemFlags } from '../mailbox/flags/bits.ts';
import type { MailboxSnapshot } from '../mailbox/types.ts';
import type { SearchedMessage } from './query/index.ts';
import type { Session } from './session.ts';
import type { NumSet } from './wire/num-set.ts';
import { type Ranges, rangesContain } from './wire/ranges.ts';

/** What the view knows of one message after the other, without an object for each. */
export class Probe implements SearchedMessage {
  readonly #session: Session;
  readonly #bits: ReadonlyMap<string, number>;
  readonly #sets = new Map<NumSet, Ranges>();
  readonly now: UnixMs;
  #index = 0;
  #flags = 0;
  uid = 0 as Uid;
  modSeq = 0 as ModSeq;

  constructor(session: Session) {
    const { view } = session.mailbox;
    this.#session = session;
    this.now = session.deps.clock.now();
    const system = Object.entries(systemFlags);
    const keywords = view.keywords().map(({ name, bit }) => [name, bit] as const);
    this.#bits = new Map([...system, ...keywords].map(([name, bit]) => [name.toLowerCase(), bit]));
  }

  moveTo(snapshot: MailboxSnapshot, index: number): void {
    this.#index = index;
    this.#flags = snapshot.flags(index);
    this.uid = (snapshot.uids[index] ?? 0) as Uid;
    this.modSeq = snapshot.modseq(index);
  }

  get recent(): boolean {
    return this.#session.mailbox.view.isRecent(this.uid);
  }

  hasFlag(flag: string): boolean {
    const bit = this.#bits.get(flag.toLowerCase());
    return bit !== undefined && hasBit(this.#flags, bit);
  }

  inSet(set: NumSet): boolean {
    let members = this.#sets.get(set);
    if (members === undefined) {
      members = this.#session.mailbox.indexesOf(set, this.#session.saved);
      this.#sets.set(set, members);
    }
    return rangesContain(members, this.#index);
  }

  /** The same message, for later stages. */
  copy(): SearchedMessage {
    const [index, flags] = [this.#index, this.#flags];
    const { uid, modSeq, recent, now } = this;
    const at = <T>(ask: () => T): T => {
      [this.#index, this.#flags] = [index, flags];
      return ask();
    };
    return {
      uid,
      modSeq,
      recent,
      now,
      hasFlag: (flag) => at(() => this.hasFlag(flag)),
      inSet: (set) => at(() => this.inSet(set)),
    };
  }
}
