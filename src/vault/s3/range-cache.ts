// Ranges of ciphertext that were read or written a moment ago, bounded by bytes: what was just delivered is
// mostly read next, and short outages of the store are not felt.

export class RangeCache {
  readonly #bytesMax: number;
  /** In order of last use: the first is the one to drop. */
  readonly #ranges = new Map<string, Buffer>();
  #bytes = 0;

  /** `bytesMax` of all ranges together; one of more than an eighth of it is not kept. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): Buffer | undefined {
    const found = this.#ranges.get(key);
    if (found === undefined) return undefined;
    this.#ranges.delete(key);
    this.#ranges.set(key, found);
    return found;
  }

  /** Keeps `bytes`, which MUST NOT be changed afterwards. */
  set(key: string, bytes: Buffer): void {
    if (bytes.length > this.#bytesMax / 8) return;
    this.delete(key);
    this.#ranges.set(key, bytes);
    this.#bytes += bytes.length;
    for (const [oldest] of this.#ranges) {
      if (this.#bytes <= this.#bytesMax) return;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#bytes -= this.#ranges.get(key)?.length ?? 0;
    this.#ranges.delete(key);
  }

  clear(): void {
    this.#ranges.clear();
    this.#bytes = 0;
  }
}
