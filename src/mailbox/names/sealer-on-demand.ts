// The names key of a session, opened when the first folder or keyword is asked for: a sign-in that only
// looks at its capabilities costs no key. The grant of the sign-in serves for minutes only
// (src/vault/keys/grant-rules.ts), so an idle session has its key opened before that time is over.
import type { NameSealer } from './name-sealer.ts';

/** Well inside the ten minutes of a grant. */
const openAfterMs = 5 * 60_000;

export class SealerOnDemand {
  readonly #open: () => Promise<NameSealer>;
  readonly #timer: NodeJS.Timeout;
  #opening: Promise<NameSealer> | undefined;
  #closed = false;

  constructor(open: () => Promise<NameSealer>) {
    this.#open = open;
    this.#timer = setTimeout(() => {
      // Whoever needs the key later tries again and gets the error.
      this.get().catch(() => undefined);
    }, openAfterMs);
    this.#timer.unref();
  }

  /** Opens at the first call; a failure is not kept. @throws PostsealError of the key service. */
  get(): Promise<NameSealer> {
    clearTimeout(this.#timer);
    this.#opening ??= this.#open().then(
      (sealer) => {
        if (this.#closed) sealer.destroy();
        return sealer;
      },
      (error: unknown) => {
        this.#opening = undefined;
        throw error;
      },
    );
    return this.#opening;
  }

  /** Destroys the key, also one that is still on its way. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#opening?.then(
      (sealer) => sealer.destroy(),
      () => undefined,
    );
  }
}
