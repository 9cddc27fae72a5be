// One at a time for each key: tries of one name wait for each other, so that a hundred parallel guesses
// are counted like a hundred in a row (docs/security/sign-in.md).

export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `work` when every earlier work of `key` has ended, well or badly. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const result = (async () => {
      await before;
      return work();
    })();
    const ended = result.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, ended);
    try {
      return await result;
    } finally {
      // Only the last in the queue takes the key away.
      if (this.#last.get(key) === ended) this.#last.delete(key);
    }
  }

  /** Keys that somebody works on or waits for. */
  get size(): number {
    return this.#last.size;
  }
}
