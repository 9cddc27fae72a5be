// Unwrapped keys in the key service: least recently used, bounded by bytes, zeroed when they go. What a
// batch works with is leased, so that an eviction never zeroes a key under its user: a key of zeros
// would wrap without complaint.
import { assert } from '../../kernel/errors.ts';

export interface Destroyable {
  /** Bytes of secrets and what hangs on them. */
  readonly bytes: number;
  /** Zeroes all secrets; the value is not used again. */
  destroy(): void;
}

export interface SecretLease<V extends Destroyable> {
  /** What this lease holds already stays the same until its end, also when the cache has dropped it. */
  get(key: string): V | undefined;
  /** Adds a value, replacing an older one of this key. */
  put(key: string, value: V): void;
  /** Ends the lease; evicted values that nobody else leases are zeroed now. */
  end(): void;
}

export interface SecretCache<V extends Destroyable> {
  lease(): SecretLease<V>;
  /** Drops everything; leased values go when their leases end. */
  flush(): void;
  /** Drops those whose keys `isMeant` names, like `flush`. */
  drop(isMeant: (key: string) => boolean): void;
  readonly size: number;
}

interface Entry<V> {
  readonly value: V;
  leases: number;
  evicted: boolean;
}

export function createSecretCache<V extends Destroyable>(bytesMax: number): SecretCache<V> {
  const entries = new Map<string, Entry<V>>();
  let bytes = 0;

  const evict = (key: string, entry: Entry<V>): void => {
    entries.delete(key);
    bytes -= entry.value.bytes;
    entry.evicted = true;
    if (entry.leases === 0) entry.value.destroy();
  };

  const lease = (): SecretLease<V> => {
    const held = new Set<Entry<V>>();
    const byKey = new Map<string, Entry<V>>();
    let open = true;
    const hold = (key: string, entry: Entry<V>): void => {
      byKey.set(key, entry);
      if (held.has(entry)) return;
      held.add(entry);
      entry.leases += 1;
    };
    return {
      get: (key) => {
        assert(open, 'a lease that has ended');
        const mine = byKey.get(key);
        if (mine !== undefined) return mine.value;
        const entry = entries.get(key);
        if (entry === undefined) return undefined;
        entries.delete(key);
        entries.set(key, entry);
        hold(key, entry);
        return entry.value;
      },
      put: (key, value) => {
        assert(open, 'a lease that has ended');
        const older = entries.get(key);
        if (older !== undefined) evict(key, older);
        const entry: Entry<V> = { value, leases: 0, evicted: false };
        entries.set(key, entry);
        bytes += value.bytes;
        hold(key, entry);
        for (const [oldest, candidate] of entries) {
          if (bytes <= bytesMax) break;
          if (candidate !== entry) evict(oldest, candidate);
        }
      },
      end: () => {
        open = false;
        for (const entry of held) {
          entry.leases -= 1;
          if (entry.evicted && entry.leases === 0) entry.value.destroy();
        }
        held.clear();
        byKey.clear();
      },
    };
  };

  return {
    lease,
    flush: () => {
      for (const [key, entry] of entries) evict(key, entry);
    },
    drop: (isMeant) => {
      for (const [key, entry] of entries) if (isMeant(key)) evict(key, entry);
    },
    get size() {
      return entries.size;
    },
  };
}
