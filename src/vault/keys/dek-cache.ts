// A node's short memory of opened keys: at most 60 seconds and so many bytes, then zeroed. A shred and a
// restriction flush it (docs/architecture.md §3), so it never keeps a destroyed key alive.
import { assert } from '../../kernel/errors.ts';

export const dekCacheMsMax = 60_000;
/** Map entry, text of the id and Buffer beside the key itself, roughly. */
const entryBytes = 256;

export interface DekCache {
  /** A copy of the key, which the caller zeroes; undefined when it is not here any more. */
  get(id: string): Buffer | undefined;
  /** Copies the key; an id that is known begins its time anew only with a fresh opening. */
  put(id: string, key: Uint8Array): void;
  /** Forgets one object, for example a record that is shredded. */
  forget(id: string): void;
  /** Forgets everything, synchronously. */
  flush(): void;
  readonly size: number;
  /** Flushes and stops the sweeping. */
  close(): void;
}

export interface DekCacheOptions {
  /** Bound of the cache, overhead included. */
  readonly bytesMax: number;
  /** At most `dekCacheMsMax`. */
  readonly ttlMs: number;
  /** Monotonic milliseconds. */
  readonly monotonic: () => number;
}

interface Entry {
  readonly key: Buffer;
  readonly until: number;
}

export function createDekCache(options: DekCacheOptions): DekCache {
  assert(options.ttlMs > 0 && options.ttlMs <= dekCacheMsMax, 'keys are kept 60 seconds at most');
  const entriesMax = Math.max(1, Math.floor(options.bytesMax / entryBytes));
  // Insertion order is order of expiry, since every entry lives equally long.
  const entries = new Map<string, Entry>();

  const forget = (id: string): void => {
    entries.get(id)?.key.fill(0);
    entries.delete(id);
  };
  const sweep = (): void => {
    const now = options.monotonic();
    for (const [id, { until }] of entries) {
      if (until > now) return;
      forget(id);
    }
  };
  const flush = (): void => {
    for (const { key } of entries.values()) key.fill(0);
    entries.clear();
  };
  // Without it a key that nobody asks for again would stay beyond its time.
  const timer = setInterval(sweep, Math.max(1, options.ttlMs / 4));
  timer.unref();

  return {
    get: (id) => {
      const entry = entries.get(id);
      if (entry === undefined) return undefined;
      if (entry.until > options.monotonic()) return Buffer.from(entry.key);
      forget(id);
      return undefined;
    },
    put: (id, key) => {
      forget(id);
      for (const oldest of entries.keys()) {
        if (entries.size < entriesMax) break;
        forget(oldest);
      }
      entries.set(id, { key: Buffer.from(key), until: options.monotonic() + options.ttlMs });
    },
    forget,
    flush,
    get size() {
      return entries.size;
    },
    close: () => {
      clearInterval(timer);
      flush();
    },
  };
}
