// The one writer of the ledger: leads by a session lock fenced by term and size, takes events from the
// inbox as they come, and publishes signed checkpoints. docs/formats/ledger.md "Sequencer".
// No operation waits for it: an event counts as recorded when its inbox row commits.
import { IntegrityError, PostsealError } from '../../kernel/errors.ts';
import type { AlertSink } from '../signer/signer.ts';
import {
  becomeLeader,
  type Lead,
  type LeadDeps,
  plan,
  type SequencerOptions,
  step,
} from './lead.ts';
import { countEvents } from './sequencer.store.ts';
import { createWake } from './wake.ts';

export type { SequencerOptions } from './lead.ts';

export const sequencerDefaults: SequencerOptions = {
  batchEvents: 4000,
  pollMs: 50,
  checkpointMs: 1000,
  heartbeatMs: 60_000,
  anchorMs: 3_600_000,
  historyMs: 60_000,
  retryMs: 1000,
};

export interface SequencerDeps extends LeadDeps {
  readonly alerts?: AlertSink;
  readonly options?: Partial<SequencerOptions>;
}

export interface SequencerStatus {
  readonly leader: boolean;
  readonly size: number;
  readonly checkpointSize: number;
  /** Age of the oldest event of the last batch when it was taken, in milliseconds. */
  readonly lagMs: number;
  /** Why it does not go on by itself: tampering or a fork. Only a restart tries again. */
  readonly failed?: PostsealError;
}

export interface Sequencer {
  start(): void;
  /** A hint that events wait; free to call, never needed. */
  wake(): void;
  /**
   * Sequences what has committed before the call and publishes a checkpoint over it; answers its size.
   * Throws `ledger.stalled` if this process does not lead.
   */
  publish(): Promise<number>;
  status(): SequencerStatus;
  /** Takes what waits, publishes, and lets go of the lead. */
  stop(): Promise<void>;
}

interface Waiter {
  readonly resolve: (size: number) => void;
  readonly reject: (error: unknown) => void;
}

/** Starts nothing yet; `start` does. Several may run: one leads, the others stand by. */
export function createSequencer(deps: SequencerDeps): Sequencer {
  return new SequencerLoop(deps);
}

class SequencerLoop implements Sequencer {
  readonly #deps: SequencerDeps;
  readonly #options: SequencerOptions;
  readonly #wake = createWake();
  #running = false;
  #failed: PostsealError | undefined;
  #lead: Lead | undefined;
  #loop: Promise<void> = Promise.resolve();
  #waiters: Waiter[] = [];
  #publishing: Promise<void> | undefined;
  #lastPublishAt = 0;

  constructor(deps: SequencerDeps) {
    this.#deps = deps;
    this.#options = { ...sequencerDefaults, ...deps.options };
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#loop = this.#run();
  }

  wake(): void {
    this.#wake.signal();
  }

  publish(): Promise<number> {
    return new Promise((resolve, reject) => {
      if (!this.#running || this.#failed !== undefined) {
        reject(new PostsealError('ledger.stalled', { what: 'sequencer' }, this.#failed));
        return;
      }
      this.#waiters.push({ resolve, reject });
      this.#wake.signal();
    });
  }

  status(): SequencerStatus {
    return {
      leader: this.#lead !== undefined,
      size: this.#lead?.head.size ?? 0,
      checkpointSize: this.#lead?.publisher.published ?? 0,
      lagMs: this.#lead?.lagMs ?? 0,
      ...(this.#failed === undefined ? {} : { failed: this.#failed }),
    };
  }

  async stop(): Promise<void> {
    this.#running = false;
    this.#wake.signal();
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (this.#goesOn()) {
      const seen = this.#wake.count;
      await this.#leadOnce();
      if (this.#goesOn()) await this.#wake.wait(seen, this.#options.retryMs);
    }
    this.#refuseWaiters();
  }

  /** Another process leads, or none will here: a checkpoint that is asked for would never come. */
  #refuseWaiters(): void {
    const gone = new PostsealError('ledger.stalled', { what: 'sequencer' }, this.#failed);
    for (const waiter of this.#waiters.splice(0)) waiter.reject(gone);
  }

  #goesOn(): boolean {
    return this.#running && this.#failed === undefined;
  }

  async #leadOnce(): Promise<void> {
    let lead: Lead | undefined;
    try {
      lead = await becomeLeader(this.#deps, this.#options);
      this.#lead = lead;
      if (lead === undefined) this.#refuseWaiters();
      else await this.#whileLeading(lead);
    } catch (error) {
      this.#report(error);
    } finally {
      this.#lead = undefined;
      await this.#publishing;
      await lead?.publisher.close();
      // Ends the session and with it the lock; if the connection is gone, so is the lock.
      await lead?.client.end().catch(() => undefined);
    }
  }

  async #whileLeading(lead: Lead): Promise<void> {
    while (this.#goesOn()) {
      const seen = this.#wake.count;
      if (this.#waiters.length > 0) await this.#settle(lead);
      plan(lead, this.#deps, this.#options);
      const taken = await step(lead, this.#deps, this.#options);
      this.#publishWhenDue(lead);
      if (taken < this.#options.batchEvents) await this.#wake.wait(seen, this.#options.pollMs);
    }
    if (this.#failed === undefined) await this.#settle(lead);
  }

  /** Sequences all that waits, publishes, and tells those who asked for it. */
  async #settle(lead: Lead): Promise<void> {
    const mine = this.#waiters.splice(0);
    try {
      // What commits from here on is not waited for: under load it would never end.
      const target = lead.head.size + lead.own.length + (await countEvents(lead.client));
      while (lead.head.size < target) {
        if ((await step(lead, this.#deps, this.#options)) === 0) break;
      }
      const size = await lead.publisher.publish();
      for (const waiter of mine) waiter.resolve(size);
    } catch (error) {
      // A lost connection ends this term, not the request: the next one settles it.
      if (error instanceof PostsealError && error.code === 'database.unreachable') {
        this.#waiters.unshift(...mine);
      } else for (const waiter of mine) waiter.reject(error);
      throw error;
    }
  }

  /** Starts a checkpoint beside the batches: signing must not hold them up. */
  #publishWhenDue(lead: Lead): void {
    const now = this.#deps.clock.now();
    if (lead.head.size === lead.publisher.published || this.#publishing !== undefined) return;
    if (Math.abs(now - this.#lastPublishAt) < this.#options.checkpointMs) return;
    this.#lastPublishAt = now;
    this.#publishing = lead.publisher
      .publish()
      .then(() => undefined)
      .catch((error: unknown) => this.#report(error))
      .finally(() => {
        this.#publishing = undefined;
      });
  }

  /** Tampering stops the ledger until a person looks; everything else is tried again. */
  #report(error: unknown): void {
    if (error instanceof IntegrityError) {
      this.#failed = error;
      this.#deps.alerts?.raise({
        code: 'integrity.ledger',
        fields: { ...error.fields, cause: error.code },
      });
      this.#wake.signal();
      return;
    }
    const known = error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
    const fields = { ...known.fields, cause: known.code };
    this.#deps.alerts?.raise({ code: 'ledger.stalled', fields });
  }
}
