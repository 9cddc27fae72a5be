// Refusals that anybody can cause as often as they like: mail that is too large or cannot be archived,
// recipients that do not exist, connections above a limit. The first of a kind is an event before it is an
// answer; those like it within the minute are counted into one more event at its end. So the ledger
// tells of every one, and grows by two events a kind and minute however many there are.
// Source of truth: docs/security/refusals.md.
import type { Committer } from '../archive/committer/types.ts';
import type { Clock } from '../kernel/time.ts';
import { canonicalJson, type JsonValue } from '../ledger/event/canonical-json.ts';
import type { Actor, EventObject, Outcome } from '../ledger/event/draft.ts';
import type { EventName } from '../ledger/event/registry.ts';
import type { UnknownNames } from './unknown-names.ts';

/** Somebody whom nothing is known of. */
export const stranger: Actor = { role: 'unknown', p: 'unknown', auth: 'none' };

export interface Refusal {
  readonly op: Extract<EventName, 'mail.rejected' | 'access.denied'>;
  readonly outcome: Exclude<Outcome, 'success'>;
  readonly actor: Actor;
  readonly objects: readonly EventObject[];
  /** What kind of refusal it is: words and codes of ours, never anything that a peer chooses. */
  readonly fields: Readonly<Record<string, string>>;
  /** Address of the peer, if peers are told apart; only its hash of the day is kept. */
  readonly peer?: string;
}

export interface Refusals {
  /**
   * Resolves when the ledger has the first of this kind, so that the caller may answer.
   * @throws whatever keeps the event from being written; the refusal stays counted until one can be.
   */
  tell(refusal: Refusal): Promise<void>;
  /** Writes what is only counted so far; nothing may be told afterwards. Never rejects. */
  close(): Promise<void>;
}

export interface RefusalsOptions {
  readonly committer: Pick<Committer, 'record'>;
  readonly unknownNames: Pick<UnknownNames, 'addressHash'>;
  readonly clock: Clock;
  /** A count that could not be written waits for the next window; called once for each. */
  readonly onUnrecorded: (error: unknown, times: number) => void;
  readonly windowMs?: number;
  /** Kinds told apart within one window; beyond them a refusal is told without object and peer. */
  readonly kindsMax?: number;
}

interface Kind {
  readonly refusal: Omit<Refusal, 'peer'>;
  /** Refusals of this kind that the ledger does not have yet. */
  count: number;
  /** The event of the first one; undefined if it could not be written, so that the next one tries again. */
  first: Promise<void> | undefined;
}

type Kinds = Map<string, Kind>;

class RefusalLog implements Refusals {
  readonly #options: Required<RefusalsOptions>;
  #kinds: Kinds = new Map();
  #timer: NodeJS.Timeout | undefined;
  #turning: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: RefusalsOptions) {
    this.#options = { windowMs: 60_000, kindsMax: 500, ...options };
  }

  async tell(refusal: Refusal): Promise<void> {
    const kind = this.#kindOf(this.#withoutAddress(refusal));
    kind.count += 1;
    // Those that come while the first is being written wait for it too.
    kind.first ??= this.#writeFirst(kind);
    await kind.first;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#turn();
  }

  #withoutAddress({ peer, ...refusal }: Refusal): Kind['refusal'] {
    if (peer === undefined) return refusal;
    const { unknownNames, clock } = this.#options;
    const from = unknownNames.addressHash(peer, clock.now());
    return { ...refusal, fields: { ...refusal.fields, from } };
  }

  /** Finds or begins a kind; what is more than may be told apart is counted together. */
  #kindOf(refusal: Kind['refusal']): Kind {
    const known = this.#kinds.get(keyOf(refusal));
    if (known !== undefined) return known;
    const told = this.#kinds.size < this.#options.kindsMax ? refusal : withoutWho(refusal);
    const kind = this.#kinds.get(keyOf(told)) ?? { refusal: told, count: 0, first: undefined };
    this.#kinds.set(keyOf(told), kind);
    if (!this.#closed) {
      this.#timer ??= setTimeout(() => void this.#turn(), this.#options.windowMs).unref();
    }
    return kind;
  }

  async #writeFirst(kind: Kind): Promise<void> {
    const times = kind.count;
    try {
      await this.#write(kind.refusal, times === 1 ? {} : { times });
      kind.count -= times;
    } catch (error) {
      kind.first = undefined;
      throw error;
    }
  }

  /** Ends the window: one after the other, so that `close` waits for one under way. */
  #turn(): Promise<void> {
    this.#timer = undefined;
    const kinds = this.#kinds;
    this.#kinds = new Map();
    this.#turning = this.#turning.then(() => this.#writeCounts(kinds));
    return this.#turning;
  }

  async #writeCounts(kinds: Kinds): Promise<void> {
    const seconds = Math.ceil(this.#options.windowMs / 1_000);
    for (const kind of kinds.values()) {
      await kind.first?.catch(() => undefined);
      const { refusal, count: times } = kind;
      if (times === 0) continue;
      try {
        await this.#write(refusal, { times, seconds });
      } catch (error) {
        this.#options.onUnrecorded(error, times);
        this.#kindOf(refusal).count += times;
      }
    }
  }

  async #write(
    { op, outcome, actor, objects, fields }: Kind['refusal'],
    counted: Readonly<Record<string, number>>,
  ): Promise<void> {
    await this.#options.committer.record({
      ...{ op, outcome, actor, objects },
      fields: { ...fields, ...counted },
    });
  }
}

function keyOf({ op, outcome, actor, objects, fields }: Kind['refusal']): string {
  const { p, session = null } = actor;
  const named = objects.map(({ t, id }) => `${t}:${id}`);
  return canonicalJson([op, outcome, p, session, named, fields] satisfies JsonValue);
}

function withoutWho({ op, outcome, fields }: Kind['refusal']): Kind['refusal'] {
  const rest = Object.entries(fields).filter(([name]) => name !== 'from');
  return { op, outcome, actor: stranger, objects: [], fields: Object.fromEntries(rest) };
}

export function createRefusals(options: RefusalsOptions): Refusals {
  return new RefusalLog(options);
}
