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
  readonly session: string;
  readonly record: CachedRecord;
  metadata: RecordMetadata | Uint8Array;
  bytes: number;
  readonly until: number;
  older: Entry | undefined;
  newer: Entry | undefined;
}

/** Whose metadata it is. */
export interface CachedRecord {
  readonly custodian: string;
  readonly recordId: string;
}

/** Objects of the decoded structure beside its bytes, roughly. */
const overheadFactor = 3;
/** Entry, its places in both maps and a view, roughly. */
const entryBytes = 256;

export class MetadataCache {
  readonly #options: MetadataCacheOptions;
  /** By session and record, so that a look needs no key made of both. */
  readonly #sessions = new Map<string, Map<string, Entry>>();
  /**
   * A chain in order of insertion, which is the order of expiry. A Map has that order too, but what is
   * taken from its front leaves holes that every look at the front walks over.
   */
  #oldest: Entry | undefined;
  #newest: Entry | undefined;
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
  get(session: string, { custodian, recordId }: CachedRecord): RecordMetadata | undefined {
    const entry = this.#sessions.get(session)?.get(recordId);
    if (entry?.record.custodian !== custodian) return undefined;
    if (entry.until <= this.#options.monotonic()) {
      this.#drop(entry);
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
  put(session: string, record: CachedRecord, metadata: RecordMetadata, payloadBytes: number): void {
    this.#add(session, record, metadata, entryBytes + payloadBytes * overheadFactor);
  }

  putPayload(session: string, record: CachedRecord, payload: Uint8Array): void {
    this.#add(session, record, payload, entryBytes + payload.length);
  }

  flush(): void {
    this.#sessions.clear();
    this.#oldest = undefined;
    this.#newest = undefined;
    this.#bytes = 0;
    this.#flushes += 1;
  }

  #add(
    session: string,
    record: CachedRecord,
    metadata: RecordMetadata | Uint8Array,
    bytes: number,
  ): void {
    const before = this.#sessions.get(session)?.get(record.recordId);
    if (before !== undefined) this.#drop(before);
    const now = this.#options.monotonic();
    const until = now + this.#options.ttlMs;
    const older = this.#newest;
    const entry: Entry = { session, record, metadata, bytes, until, older, newer: undefined };
    if (older === undefined) this.#oldest = entry;
    else older.newer = entry;
    this.#newest = entry;
    this.#of(session).set(record.recordId, entry);
    this.#bytes += bytes;
    for (let oldest = this.#oldest; oldest !== undefined; oldest = this.#oldest) {
      if (this.#bytes <= this.#options.bytesMax && oldest.until > now) return;
      this.#drop(oldest);
    }
  }

  #of(session: string): Map<string, Entry> {
    let records = this.#sessions.get(session);
    if (records === undefined) {
      records = new Map();
      this.#sessions.set(session, records);
    }
    return records;
  }

  #drop(entry: Entry): void {
    const records = this.#sessions.get(entry.session);
    records?.delete(entry.record.recordId);
    if (records?.size === 0) this.#sessions.delete(entry.session);
    const { older, newer } = entry;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    this.#bytes -= entry.bytes;
  }
}
