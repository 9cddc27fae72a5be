// Is it alive, is it ready. Alive fails only where a restart helps; ready fails where traffic should
// go elsewhere. A check that does not answer in time has failed.
import { setTimeout as sleep } from 'node:timers/promises';
import { PostsealError } from '../../kernel/errors.ts';

export type HealthCheck = () => Promise<void> | void;
export type HealthKind = 'alive' | 'ready';

export interface HealthResult {
  readonly ok: boolean;
  /** By name: `ok`, or the code of the error. */
  readonly checks: Readonly<Record<string, string>>;
}

export interface Health {
  /** Adds a check that throws when something is wrong. */
  add(kind: HealthKind, name: string, check: HealthCheck): void;
  run(kind: HealthKind): Promise<HealthResult>;
}

const checkMsMax = 3_000;

export function createHealth(): Health {
  const checks: Record<HealthKind, Map<string, HealthCheck>> = {
    alive: new Map(),
    ready: new Map(),
  };
  return {
    add: (kind, name, check) => {
      checks[kind].set(name, check);
    },
    run: async (kind) => {
      const results = await Promise.all(
        [...checks[kind]].map(async ([name, check]) => [name, await outcome(check)] as const),
      );
      return {
        ok: results.every(([, text]) => text === 'ok'),
        checks: Object.fromEntries(results),
      };
    },
  };
}

async function outcome(check: HealthCheck): Promise<string> {
  const stop = new AbortController();
  const late = sleep(checkMsMax, 'timeout', { signal: stop.signal });
  // Whichever of the two is too late is not wanted any more, not even its failure.
  late.catch(() => undefined);
  const done = (async () => {
    await check();
    return 'ok';
  })();
  done.catch(() => undefined);
  try {
    return await Promise.race([done, late]);
  } catch (error) {
    return error instanceof PostsealError ? error.code : 'failed';
  } finally {
    stop.abort();
  }
}
