// A few logged-in sessions, each with one operation at a time: PKCS #11 keeps the state of an operation
// in its session, and the asynchronous calls run on other threads (measured: more than four sessions
// gain nothing on SoftHSM or NSS). A call that hangs takes its session out of service.
import { PostsealError } from '../../kernel/errors.ts';
import type { Handle } from 'pkcs11js';
import { withinMs } from './time-limit.ts';

export interface SessionPool {
  /**
   * Runs `work` on a free session. @throws PostsealError `key.unavailable` when `work` takes longer
   * than the time-out (its session stays busy until the call returns) or the pool is closed.
   */
  use<T>(work: (session: Handle) => Promise<T>): Promise<T>;
  /** Refuses new work and resolves once nothing runs any more; only then may the module be ended. */
  drain(): Promise<void>;
}

interface Waiter {
  readonly take: (session: Handle) => void;
  readonly refuse: (error: PostsealError) => void;
}

export function createSessionPool(sessions: readonly Handle[], timeoutMs: number): SessionPool {
  const free = [...sessions];
  const waiting: Waiter[] = [];
  let running = 0;
  let closed = false;
  let onIdle: (() => void) | undefined;

  const acquire = (): Promise<Handle> => {
    if (closed) return Promise.reject(new PostsealError('key.unavailable', { reason: 'closed' }));
    const session = free.pop();
    if (session !== undefined) {
      running += 1;
      return Promise.resolve(session);
    }
    return new Promise((take, refuse) => waiting.push({ take, refuse }));
  };
  const release = (session: Handle): void => {
    // A session that is handed over stays counted, so that `drain` cannot slip in between.
    const next = waiting.shift();
    if (next !== undefined) {
      next.take(session);
      return;
    }
    free.push(session);
    running -= 1;
    if (running === 0) onIdle?.();
  };

  return {
    use: async (work) => {
      const session = await acquire();
      // Within an asynchronous function: a call of the module that throws at once gives its session back too.
      const done = (async () => {
        try {
          return await work(session);
        } finally {
          release(session);
        }
      })();
      return withinMs(done, timeoutMs, 'timeout');
    },
    drain: () => {
      closed = true;
      for (const waiter of waiting.splice(0)) {
        waiter.refuse(new PostsealError('key.unavailable', { reason: 'closed' }));
      }
      if (running === 0) return Promise.resolve();
      return new Promise((resolve) => {
        onIdle = resolve;
      });
    },
  };
}
