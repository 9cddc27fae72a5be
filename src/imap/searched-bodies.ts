// Bodies that a session's last searches opened, for at most the minute that keys live (architecture §3).
// People refine a search word by word; without this memory each word opens the whole mailbox again. What
// search made of a body (query/body-haystack.ts) hangs on its bytes, so it stays and goes with them.
import { dekCacheMsMax } from '../vault/keys/dek-cache.ts';

const entryBytes = 512;

export interface SearchedBodiesOptions {
  readonly bytesMax: number;
  /** Monotonic milliseconds. */
  readonly monotonic: () => number;
  readonly ttlMs?: number;
}

interface Entry {
  readonly session: object;
  readonly record: string;
  readonly body: Uint8Array;
  bytes: number;
  readonly until: number;
}

/** When it is full, what is in it stays until its time is over: a scan must not push out its own start. */
export class SearchedBodies {
  readonly #options: Required<SearchedBodiesOptions>;
  readonly #sessions = new Map<object, Map<string, Entry>>();
  /** In order of insertion, which is the order of expiry. */
  readonly #entries = new Set<Entry>();
  readonly #timer: NodeJS.Timeout;
  #bytes = 0;
  #flushes = 0;

  constructor(options: SearchedBodiesOptions) {
    this.#options = { ttlMs: dekCacheMsMax, ...options };
    this.#timer = setInterval(() => this.#sweep(), this.#options.ttlMs / 4).unref();
  }

  /** Noted before bodies are opened and given to `put`: a shred may lie in between. */
  get flushes(): number {
    return this.#flushes;
  }

  /** Accounted memory: bodies and what searching made of them. */
  get bytes(): number {
    return this.#bytes;
  }

  get(session: object, record: string): Uint8Array | undefined {
    const entry = this.#sessions.get(session)?.get(record);
    return entry !== undefined && entry.until > this.#options.monotonic() ? entry.body : undefined;
  }

  put(session: object, record: string, body: Uint8Array, flushes: number): void {
    const bytes = body.length + entryBytes;
    if (flushes !== this.#flushes) return;
    if (this.#bytes + bytes > this.#options.bytesMax) this.#sweep();
    if (this.#bytes + bytes > this.#options.bytesMax) return;
    let records = this.#sessions.get(session);
    const before = records?.get(record);
    if (before !== undefined) this.#drop(before);
    records = this.#sessions.get(session);
    if (records === undefined) this.#sessions.set(session, (records = new Map<string, Entry>()));
    const until = this.#options.monotonic() + this.#options.ttlMs;
    const entry: Entry = { session, record, body, bytes, until };
    records.set(record, entry);
    this.#entries.add(entry);
    this.#bytes += bytes;
  }

  /** What searching made of the body takes `textBytes`; if there is no room for it, the body goes. */
  grown(session: object, record: string, textBytes: number): void {
    const entry = this.#sessions.get(session)?.get(record);
    if (entry === undefined) return;
    const bytes = entry.body.length + entryBytes + textBytes;
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
    if (this.#bytes > this.#options.bytesMax) this.#drop(entry);
  }

  /** The session is over. */
  forget(session: object): void {
    for (const entry of this.#sessions.get(session)?.values() ?? []) this.#drop(entry);
  }

  /** A shred or a restriction: forgets everything, synchronously. */
  flush(): void {
    this.#sessions.clear();
    this.#entries.clear();
    this.#bytes = 0;
    this.#flushes += 1;
  }

  close(): void {
    clearInterval(this.#timer);
    this.flush();
  }

  #sweep(): void {
    const now = this.#options.monotonic();
    for (const entry of this.#entries) {
      if (entry.until > now) return;
      this.#drop(entry);
    }
  }

  #drop(entry: Entry): void {
    this.#entries.delete(entry);
    this.#bytes -= entry.bytes;
    const records = this.#sessions.get(entry.session);
    records?.delete(entry.record);
    if (records?.size === 0) this.#sessions.delete(entry.session);
  }
}
