// The mailboxes that this process holds in memory: bounded by bytes, least recently used go first; a
// mailbox with open views stays. Also the place where commits and hints find the state they concern.
import type { MailboxId } from '../../kernel/ids.ts';
import type { HintBus } from '../../platform/hints/hint-bus.ts';
import type { Queryable } from '../../platform/postgres/statement.ts';
import type { DeltaSink, MailboxDelta } from '../parts/delta.ts';
import { MailboxState } from './mailbox-state.ts';
import type { MailboxKey } from './read-state.store.ts';

interface Entry {
  readonly loading: Promise<MailboxState>;
  state: MailboxState | undefined;
  views: number;
  /** Of `state` when it was last looked at. */
  bytes: number;
  /** Ends the subscription to hints. Without views it still says whether SELECT will find news. */
  deaf: (() => void) | undefined;
}

export interface StateCacheOptions {
  readonly db: Queryable;
  readonly hints: HintBus;
  readonly bytesMax: number;
}

export class StateCache implements DeltaSink {
  readonly #options: StateCacheOptions;
  /** In order of use. */
  readonly #entries = new Map<MailboxId, Entry>();
  #bytes = 0;
  #published = new WeakSet<MailboxDelta>();

  constructor(options: StateCacheOptions) {
    this.#options = options;
  }

  /** Pins the mailbox until `release`. @throws PostsealError `mailbox.unknown`. */
  async acquire(key: MailboxKey): Promise<MailboxState> {
    const entry = this.#entries.get(key.mailbox) ?? this.#load(key);
    entry.views += 1;
    this.#touch(key.mailbox, entry);
    try {
      return await entry.loading;
    } catch (error) {
      entry.views -= 1;
      throw error;
    }
  }

  release(mailbox: MailboxId): void {
    const entry = this.#entries.get(mailbox);
    if (entry === undefined) return;
    entry.views -= 1;
    if (entry.views > 0) return;
    this.#weigh(entry);
    this.#evict();
  }

  /** If it is in memory; for things that help only then. */
  peek(mailbox: MailboxId): MailboxState | undefined {
    return this.#entries.get(mailbox)?.state;
  }

  offer(delta: MailboxDelta): void {
    // Every operation of a batch brings the same delta.
    if (this.#published.has(delta)) return;
    this.#published.add(delta);
    this.#entries.get(delta.mailbox)?.state?.offer(delta);
    this.#options.hints.publish({ mailbox: delta.mailbox, modseq: delta.modseq });
  }

  #load(key: MailboxKey): Entry {
    const loading = MailboxState.load(this.#options.db, key);
    const entry: Entry = { loading, state: undefined, views: 0, bytes: 0, deaf: undefined };
    this.#entries.set(key.mailbox, entry);
    loading.then(
      (state) => {
        entry.state = state;
        entry.deaf = this.#options.hints.subscribe(key.mailbox, ({ modseq }) => {
          state.hint(modseq);
        });
        this.#weigh(entry);
        this.#evict();
      },
      () => {
        // Whoever acquires it gets the error; the next one tries again.
        this.#entries.delete(key.mailbox);
      },
    );
    return entry;
  }

  #touch(mailbox: MailboxId, entry: Entry): void {
    this.#entries.delete(mailbox);
    this.#entries.set(mailbox, entry);
  }

  /** Mailboxes grow while they have views; without any they rest. */
  #weigh(entry: Entry): void {
    const bytes = entry.state?.bytes ?? 0;
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
  }

  #evict(): void {
    for (const [mailbox, { state, views, bytes, deaf }] of this.#entries) {
      if (this.#bytes <= this.#options.bytesMax) return;
      if (views > 0 || state === undefined) continue;
      deaf?.();
      this.#entries.delete(mailbox);
      this.#bytes -= bytes;
    }
  }
}
