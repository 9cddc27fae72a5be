// What may be read or opened again at any time, kept up to a number of bytes: what was used longest ago
// goes first. Pure.

export class KeptByBytes<K, V extends { readonly bytes: number }> {
  /** In order of use. */
  readonly #kept = new Map<K, V>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(key: K): V | undefined {
    const value = this.#kept.get(key);
    if (value === undefined) return undefined;
    this.#kept.delete(key);
    this.#kept.set(key, value);
    return value;
  }

  /** Does not keep what alone is larger than all that may be kept. */
  set(key: K, value: V): void {
    this.delete(key);
    if (value.bytes > this.#bytesMax) return;
    this.#kept.set(key, value);
    this.#bytes += value.bytes;
    for (const [oldest, { bytes }] of this.#kept) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#kept.delete(oldest);
      this.#bytes -= bytes;
    }
  }

  delete(key: K): void {
    const value = this.#kept.get(key);
    if (value === undefined) return;
    this.#kept.delete(key);
    this.#bytes -= value.bytes;
  }
}
