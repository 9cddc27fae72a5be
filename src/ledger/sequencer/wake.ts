// A hint that work waits. A signal between looking and waiting is not lost: `wait` returns at once if
// the count has moved since `seen`.

export interface Wake {
  /** Signals so far. */
  readonly count: number;
  signal(): void;
  /** Resolves at the next signal, at once if one came after `seen`, or after `ms`. */
  wait(seen: number, ms: number): Promise<void>;
}

export function createWake(): Wake {
  let count = 0;
  let waiting: (() => void) | undefined;
  return {
    get count() {
      return count;
    },
    signal() {
      count += 1;
      waiting?.();
    },
    wait: (seen, ms) =>
      new Promise((resolve) => {
        if (seen !== count) {
          resolve();
          return;
        }
        const timer = setTimeout(() => waiting?.(), ms);
        waiting = () => {
          clearTimeout(timer);
          waiting = undefined;
          resolve();
        };
      }),
  };
}
