// How many keys a session or a client may ask for: two buckets for each who and purpose, one that a second fills
// again and one that a minute does. Far above what mail programs need; a process that empties an archive meets it.
// Pure but for the clock that it is given.

export interface KeyLimitRates {
  /** Keys of one session for one purpose. */
  readonly sessionPerSecond: number;
  readonly sessionPerMinute: number;
  /** Keys of one client (this machine, or a node by the name in its certificate) for one purpose or operation. */
  readonly clientPerSecond: number;
  readonly clientPerMinute: number;
}

export interface KeyLimits {
  /** Takes `keys` from the client's buckets; false if there are not so many, and then none is taken. */
  client(name: string, purpose: string, keys: number): boolean;
  session(id: string, purpose: string, keys: number): boolean;
}

export const keyLimitsDefault: KeyLimitRates = {
  sessionPerSecond: 100_000,
  sessionPerMinute: 3_000_000,
  clientPerSecond: 400_000,
  clientPerMinute: 12_000_000,
};

interface Buckets {
  second: number;
  minute: number;
  at: number;
}

/** Sessions remembered; one that asks for nothing for a minute has full buckets and need not be. */
const knownMax = 65_536;

/** `monotonic` gives milliseconds. */
export function createKeyLimits(rates: KeyLimitRates, monotonic: () => number): KeyLimits {
  const { sessionPerSecond, sessionPerMinute, clientPerSecond, clientPerMinute } = rates;
  const clients = createBuckets(clientPerSecond, clientPerMinute, monotonic);
  const sessions = createBuckets(sessionPerSecond, sessionPerMinute, monotonic);
  return {
    client: (name, purpose, keys) => clients(`${purpose} ${name}`, keys),
    session: (id, purpose, keys) => sessions(`${purpose} ${id}`, keys),
  };
}

function createBuckets(
  perSecond: number,
  perMinute: number,
  monotonic: () => number,
): (name: string, keys: number) => boolean {
  // In the order of last use, so that the first may be forgotten.
  const known = new Map<string, Buckets>();
  return (name, keys) => {
    const now = monotonic();
    const before = known.get(name) ?? { second: perSecond, minute: perMinute, at: now };
    const passed = now - before.at;
    const second = Math.min(perSecond, before.second + (passed * perSecond) / 1_000);
    const minute = Math.min(perMinute, before.minute + (passed * perMinute) / 60_000);
    const fits = keys <= second && keys <= minute;
    const taken = fits ? keys : 0;
    known.delete(name);
    known.set(name, { second: second - taken, minute: minute - taken, at: now });
    for (const [oldest, { at }] of known) {
      if (known.size <= knownMax && now - at < 60_000) break;
      known.delete(oldest);
    }
    return fits;
  };
}
