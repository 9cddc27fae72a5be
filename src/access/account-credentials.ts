// Passwords of mail accounts, set by an administrator: the first one by the one who creates the account,
// every later one with four eyes, since it opens mail. The change and its events commit together.
import { PostsealError } from '../kernel/errors.ts';
import type { AccountId } from '../kernel/ids.ts';
import type { Secret } from '../kernel/secret.ts';
import type { Actor } from '../ledger/event/draft.ts';
import type { EventSealer } from '../ledger/event/event-sealer.ts';
import { withEvents } from '../ledger/event/inbox.store.ts';
import type { Account } from '../mailbox/types.ts';
import type { Database } from '../platform/postgres/database.ts';
import { type Approvals, approvalUsed } from './approvals.ts';
import { readCredential, writeCredential } from './credential.store.ts';
import { hashPassword } from './password.ts';

export interface AccountCredentials {
  /** Checks the policy only. @throws PostsealError `access.password-policy`. */
  check(password: Secret): Promise<string>;
  /** Stores a hash made by `check` for an account that has none yet. @throws PostsealError `store.conflict`. */
  setFirst(account: Account, hash: string, actor: Actor): Promise<void>;
  /**
   * Stores a hash made by `check` under an approval that names this account, and uses that up.
   * @throws PostsealError `approval.unknown`, `approval.state`.
   */
  replace(account: Account, hash: string, approval: string, actor: Actor): Promise<void>;
}

/** What an approval of `account.password` is about. */
export function passwordSubject(account: Account): { readonly account: AccountId } {
  return { account: account.id };
}

export function createAccountCredentials(deps: {
  readonly database: Database;
  readonly sealer: EventSealer;
  readonly approvals: Pick<Approvals, 'use'>;
}): AccountCredentials {
  const set = async (
    account: Account,
    hash: string,
    actor: Actor,
    approval?: string,
  ): Promise<void> => {
    const draft = {
      op: 'account.password-set',
      outcome: 'success',
      actor,
      objects: [
        { t: 'acc', id: account.id },
        ...(approval === undefined ? [] : [{ t: 'apr', id: approval } as const]),
      ],
    } as const;
    const drafts = approval === undefined ? [draft] : [draft, approvalUsed(approval, actor)];
    await withEvents(deps.database, deps.sealer, drafts, async (client, [event, used]) => {
      if (event === undefined) throw new PostsealError('internal');
      if (approval !== undefined && used !== undefined) {
        const subject = passwordSubject(account);
        await deps.approvals.use(
          client,
          { id: approval, act: 'account.password', subject },
          used.id,
        );
      }
      const owner = { kind: 'account', id: account.id } as const;
      if (approval === undefined && (await readCredential(client, owner)) !== undefined) {
        throw new PostsealError('store.conflict', { account: account.id });
      }
      await writeCredential(client, owner, { hash, mustChange: false }, event.id);
    });
  };
  return {
    check: (password) => hashPassword(password),
    setFirst: (account, hash, actor) => set(account, hash, actor),
    replace: (account, hash, approval, actor) => set(account, hash, actor, approval),
  };
}
