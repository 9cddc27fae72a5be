// Opened metadata of records, bounded by bytes and time, the oldest first out.
import type { RecordMetadata } from './types.ts';

export interface MetadataCacheOptions {
  readonly bytesMax: number;
  readonly ttlMs: number;
  /** Monotonic milliseconds. */
  readonly monotonic: () => number;
}

interface Entry {
  readonly metadata: RecordMetadata;
  readonly bytes: number;
  readonly until: number;
}

/** Objects of the decoded structure beside its bytes, roughly. */
const overheadFactor = 3;

export class MetadataCache {
  readonly #options: MetadataCacheOptions;
  /** In order of insertion, which is the order of expiry. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(options: MetadataCacheOptions) {
    this.#options = options;
  }

  get(key: string): RecordMetadata | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.until > this.#options.monotonic()) return entry.metadata;
    this.#drop(key, entry);
    return undefined;
  }

  /** `sealedBytes` is the length of the cell it came from. */
  put(key: string, metadata: RecordMetadata, sealedBytes: number): void {
    const before = this.#entries.get(key);
    if (before !== undefined) this.#drop(key, before);
    const now = this.#options.monotonic();
    const entry = {
      metadata,
      bytes: sealedBytes * overheadFactor,
      until: now + this.#options.ttlMs,
    };
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
    for (const [oldest, old] of this.#entries) {
      if (this.#bytes <= this.#options.bytesMax && old.until > now) return;
      this.#drop(oldest, old);
    }
  }

  flush(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
