// Lets a locked name try again before its time (docs/security/sign-in.md "Guessing"): recorded first, then
// forgotten by every process of the node.
import type { Committer } from '../archive/committer/types.ts';
import type { Clock } from '../kernel/time.ts';
import type { Actor } from '../ledger/event/draft.ts';
import type { CredentialOwner } from './credential.store.ts';
import { type SignInThrottle, throttleKey } from './throttle.ts';

export interface UnlockDeps {
  readonly committer: Pick<Committer, 'record'>;
  /** Of this process, which hears of the failures in all others. */
  readonly throttle: SignInThrottle;
  readonly clock: Clock;
  /** Lets the other processes of the node forget the failures of a name. */
  readonly forgetOthers: (nameKey: string) => Promise<void>;
}

/** False, and no event, if the name was not locked. */
export type Unlock = (owner: CredentialOwner, actor: Actor) => Promise<boolean>;

export function createUnlock(deps: UnlockDeps): Unlock {
  return async (owner, actor) => {
    const key = throttleKey(owner);
    if (!deps.throttle.isLocked(key, deps.clock.now())) return false;
    await deps.committer.record({
      op: 'access.unlocked',
      outcome: 'success',
      actor,
      objects: [{ t: owner.kind === 'account' ? 'acc' : 'per', id: owner.id }],
    });
    deps.throttle.forget(key);
    await deps.forgetOthers(key);
    return true;
  };
}
