// One switch of key generations at a time, over all nodes: a lease with a fence, which every transaction of
// the key service checks. A process that dies holds it for some seconds more.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { PostsealError } from '../../kernel/errors.ts';
import { holdLease, type Lease } from '../../platform/jobs/lease.store.ts';
import type { Log } from '../../platform/log/log.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { StepLease } from '../../vault/keys/generation-steps.ts';

const name = 'key-generations';
/** Renewed three times within; a dead holder's time. */
const seconds = 10;
/** A little longer than a dead holder's time, so that the next one does not fail because of it. */
const waitMs = 13_000;
const pollMs = 50;

export interface SwitchLeaseDeps {
  readonly database: Database;
  readonly log: Log;
}

/** The lease of this moment. @throws PostsealError `key.switch-busy` when it was lost. */
export type HeldLease = () => StepLease;

/** Runs `work` under the lease. @throws PostsealError `key.switch-busy` while another process holds it. */
export async function underSwitchLease<T>(
  { database, log }: SwitchLeaseDeps,
  work: (lease: HeldLease) => Promise<T>,
): Promise<T> {
  const lease = holdLease({ database, name, holder: randomUUID(), seconds, log });
  try {
    await held(lease);
    return await work(() => {
      const fence = lease.fence();
      if (fence === undefined) throw new PostsealError('key.switch-busy');
      return { name, fence };
    });
  } finally {
    await lease.stop();
  }
}

async function held(lease: Lease): Promise<void> {
  const until = performance.now() + waitMs;
  while (!lease.isHeld()) {
    if (performance.now() > until) throw new PostsealError('key.switch-busy');
    await sleep(pollMs);
  }
}
