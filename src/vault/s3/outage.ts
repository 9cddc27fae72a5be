// What a process remembers of a store that is away: new bodies are refused at once in place of waiting
// through every retry again, and after a pause that grows the next one may try.
import type { PostsealError } from '../../kernel/errors.ts';

const pauseMsMin = 500;
const pauseMsMax = 15_000;

export interface OutageOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** The first failure after it worked. */
  readonly onAway?: (error: PostsealError) => void;
  /** The first success after that. */
  readonly onBack?: () => void;
}

export class Outage {
  readonly #options: OutageOptions;
  #failure: PostsealError | undefined;
  #pauseMs = pauseMsMin;
  #until = 0;

  constructor(options: OutageOptions) {
    this.#options = options;
  }

  /** @throws PostsealError of the last failure, while its pause lasts. */
  check(): void {
    if (this.#failure !== undefined && this.#options.now() < this.#until) throw this.#failure;
  }

  failed(error: PostsealError): void {
    const first = this.#failure === undefined;
    this.#failure = error;
    this.#until = this.#options.now() + this.#pauseMs;
    this.#pauseMs = Math.min(this.#pauseMs * 2, pauseMsMax);
    if (first) this.#options.onAway?.(error);
  }

  worked(): void {
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#pauseMs = pauseMsMin;
    this.#options.onBack?.();
  }
}
