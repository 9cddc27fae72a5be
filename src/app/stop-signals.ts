// Ctrl-C and SIGTERM. Under npm one Ctrl-C arrives twice, since npm passes on what the terminal has sent
// already; so what comes soon after the first is the same wish, and only what comes later means "at once".

/** After this time a further signal is a new one. */
const sameWishMs = 2_000;
/** One Ctrl-C under npm. */
const sameWishCount = 2;

export interface StopSignals {
  /** A signal was heard. `monotonicMs` is any clock that only goes forward. */
  heard(monotonicMs: number): 'stop' | 'same' | 'force';
}

/** Stop at the first signal; the second within two seconds is the same one; any other forces the end. */
export function createStopSignals(): StopSignals {
  let first: number | undefined;
  let count = 0;
  return {
    heard(monotonicMs) {
      count += 1;
      if (first === undefined) {
        first = monotonicMs;
        return 'stop';
      }
      return count <= sameWishCount && monotonicMs - first < sameWishMs ? 'same' : 'force';
    },
  };
}
