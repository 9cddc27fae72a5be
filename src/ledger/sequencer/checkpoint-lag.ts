// How long the ledger has waited for its next checkpoint: the time since the newest one, as long as there are
// leaves that it does not cover. A ledger that grows without signatures looks healthy from the inbox. Pure.

export class CheckpointLag {
  #signed: number | undefined;
  #since: number | undefined;

  /**
   * Milliseconds, 0 while the newest checkpoint covers every leaf. `now` is any clock that only goes forward.
   */
  look(leaves: number, signed: number, now: number): number {
    if (leaves <= signed) this.#since = undefined;
    else if (this.#since === undefined || signed !== this.#signed) this.#since = now;
    this.#signed = signed;
    return this.#since === undefined ? 0 : now - this.#since;
  }
}
