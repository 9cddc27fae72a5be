// One switch of key generations at a time, over all nodes: a lease with a fence, which every transaction of
// the key service checks. A process that dies holds it for some seconds more.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { PostsealError } from '../../kernel/errors.ts';
import { holdLease } from '../../platform/jobs/lease.store.ts';
import type { Log } from '../../platform/log/log.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { StepLease } from '../../vault/keys/generation-steps.ts';

const name = 'key-generations';
/** Renewed three times within; a dead holder's time. */
const secondsDefault = 10;
/** Besides a dead holder's time, so that the next one does not fail because of it. */
const extraMs = 3_000;
const pollMs = 50;

export interface SwitchLeaseDeps {
  readonly database: Database;
  readonly log: Log;
  readonly leaseSeconds?: number;
}

export interface SwitchLease {
  /** As it is at this moment. @throws PostsealError `key.switch-busy` when it was lost. */
  current(): StepLease;
  stop(): Promise<void>;
}

/** Waits for it a little. @throws PostsealError `key.switch-busy` while another process holds it. */
export async function takeSwitchLease(deps: SwitchLeaseDeps): Promise<SwitchLease> {
  const { database, log, leaseSeconds: seconds = secondsDefault } = deps;
  const lease = holdLease({ database, name, holder: randomUUID(), seconds, log });
  const until = performance.now() + seconds * 1_000 + extraMs;
  while (!lease.isHeld()) {
    if (performance.now() > until) {
      await lease.stop();
      throw new PostsealError('key.switch-busy');
    }
    await sleep(pollMs);
  }
  return {
    current: () => {
      const fence = lease.fence();
      if (fence === undefined) throw new PostsealError('key.switch-busy');
      return { name, fence };
    },
    stop: () => lease.stop(),
  };
}
