// Passwords of mail accounts, set by an administrator; the change and its event commit together.
import { PostsealError } from '../kernel/errors.ts';
import type { Secret } from '../kernel/secret.ts';
import type { Actor } from '../ledger/event/draft.ts';
import type { EventSealer } from '../ledger/event/event-sealer.ts';
import { withEvents } from '../ledger/event/inbox.store.ts';
import type { Account } from '../mailbox/types.ts';
import type { Database } from '../platform/postgres/database.ts';
import { writeCredential } from './credential.store.ts';
import { hashPassword } from './password.ts';

export interface AccountCredentials {
  /** Checks the policy only. @throws PostsealError `access.password-policy`. */
  check(password: Secret): Promise<string>;
  /** Stores a hash made by `check`. */
  set(account: Account, hash: string, actor: Actor): Promise<void>;
}

export function createAccountCredentials(deps: {
  readonly database: Database;
  readonly sealer: EventSealer;
}): AccountCredentials {
  return {
    check: (password) => hashPassword(password),
    async set(account, hash, actor) {
      const draft = {
        op: 'account.password-set',
        outcome: 'success',
        actor,
        objects: [{ t: 'acc', id: account.id }],
      } as const;
      await withEvents(deps.database, deps.sealer, [draft], async (client, [event]) => {
        if (event === undefined) throw new PostsealError('internal');
        const owner = { kind: 'account', id: account.id } as const;
        await writeCredential(client, owner, { hash, mustChange: false }, event.id);
      });
    },
  };
}
