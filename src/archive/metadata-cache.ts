// Opened metadata of records, bounded by bytes and time, the oldest first out. What came out of a page
// along with what was asked for stays undecoded until somebody asks.
import { decodeMetadata } from './metadata-payload.ts';
import type { RecordMetadata } from './types.ts';

export interface MetadataCacheOptions {
  readonly bytesMax: number;
  readonly ttlMs: number;
  /** Monotonic milliseconds. */
  readonly monotonic: () => number;
}

interface Entry {
  metadata: RecordMetadata | Uint8Array;
  bytes: number;
  readonly until: number;
}

/** Objects of the decoded structure beside its bytes, roughly. */
const overheadFactor = 3;
/** Map entry, key and view, roughly. */
const entryBytes = 256;

export class MetadataCache {
  readonly #options: MetadataCacheOptions;
  /** In order of insertion, which is the order of expiry. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  #flushes = 0;

  constructor(options: MetadataCacheOptions) {
    this.#options = options;
  }

  /**
   * Number of flushes so far: who opens metadata notes it before reading rows and puts nothing if it
   * changed, because a shred may lie in between.
   */
  get flushes(): number {
    return this.#flushes;
  }

  /** @throws IntegrityError if a payload of a page cannot be decoded. */
  get(key: string): RecordMetadata | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.until <= this.#options.monotonic()) {
      this.#drop(key, entry);
      return undefined;
    }
    if (!(entry.metadata instanceof Uint8Array)) return entry.metadata;
    const { length } = entry.metadata;
    const metadata = decodeMetadata(entry.metadata);
    const bytes = entryBytes + length * overheadFactor;
    this.#bytes += bytes - entry.bytes;
    entry.metadata = metadata;
    entry.bytes = bytes;
    return metadata;
  }

  /** `payloadBytes` is the length of what it was decoded from. */
  put(key: string, metadata: RecordMetadata, payloadBytes: number): void {
    this.#add(key, metadata, entryBytes + payloadBytes * overheadFactor);
  }

  putPayload(key: string, payload: Uint8Array): void {
    this.#add(key, payload, entryBytes + payload.length);
  }

  flush(): void {
    this.#entries.clear();
    this.#bytes = 0;
    this.#flushes += 1;
  }

  #add(key: string, metadata: RecordMetadata | Uint8Array, bytes: number): void {
    const before = this.#entries.get(key);
    if (before !== undefined) this.#drop(key, before);
    const now = this.#options.monotonic();
    this.#entries.set(key, { metadata, bytes, until: now + this.#options.ttlMs });
    this.#bytes += bytes;
    for (const [oldest, old] of this.#entries) {
      if (this.#bytes <= this.#options.bytesMax && old.until > now) return;
      this.#drop(oldest, old);
    }
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
