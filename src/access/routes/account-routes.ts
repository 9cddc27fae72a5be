// Routes of mail accounts: create, list, show, disable, enable, unlock, alias, password.
import { PostsealError } from '../../kernel/errors.ts';
import type { AccountId } from '../../kernel/ids.ts';
import { Secret } from '../../kernel/secret.ts';
import type { Pseudonyms } from '../../ledger/event/actor-keys.store.ts';
import type { Actor } from '../../ledger/event/draft.ts';
import type { Account, MailboxService } from '../../mailbox/types.ts';
import { type AccountCredentials, passwordSubject } from '../account-credentials.ts';
import { approvalTable } from '../approval-table.ts';
import type { Approval, Approvals } from '../approvals.ts';
import { personActor, type PersonSession } from '../person-actor.ts';
import type { Role } from '../roles.ts';
import type { Unlock } from '../unlock.ts';
import { noInput, objectSchema, type Route, route, uuidSchema } from './route.ts';

export interface AccountRoutesDeps {
  readonly mailboxes: MailboxService;
  readonly credentials: AccountCredentials;
  readonly approvals: Pick<Approvals, 'propose'>;
  readonly pseudonyms: Pseudonyms;
  /** Ends every open session of the account, in all processes. */
  readonly endSessions: (account: AccountId) => Promise<number>;
  readonly unlock: Unlock;
}

const text = { type: 'string', minLength: 1, maxLength: 320 };
const password = { type: 'string', minLength: 1, maxLength: 1024 };

const shown = ({ id, name, state, custodian }: Account): object => ({ id, name, state, custodian });

const administrators = ['system-admin'] as const;
const lockKeepers = ['system-admin', 'security-admin'] as const;
const onlookers = ['system-admin', 'security-admin', 'audit-admin'] as const;
const named = objectSchema({ name: text });

function actorOf(
  deps: AccountRoutesDeps,
  by: PersonSession | undefined,
  roles: readonly Role[] = administrators,
): Actor {
  if (by === undefined) throw new PostsealError('access.signed-out');
  return personActor(deps.pseudonyms, by, roles);
}

async function need(deps: AccountRoutesDeps, name: string): Promise<Account> {
  const account = await deps.mailboxes.findAccount(name);
  if (account === undefined) throw new PostsealError('account.unknown');
  return account;
}

function lookingRoutes(deps: AccountRoutesDeps): Route[] {
  return [
    route({
      name: 'account.list',
      method: 'GET',
      path: '/accounts',
      summary: 'List mail accounts',
      access: onlookers,
      input: noInput,
      run: async () => (await deps.mailboxes.listAccounts()).map(shown),
    }),
    route<{ name: string }>({
      name: 'account.show',
      method: 'GET',
      path: '/accounts/:name',
      summary: 'Show a mail account',
      access: onlookers,
      input: named,
      run: async ({ input }) => shown(await need(deps, input.name)),
    }),
  ];
}

function changingRoutes(deps: AccountRoutesDeps): Route[] {
  return [
    route<{ name: string }>({
      name: 'account.disable',
      method: 'POST',
      path: '/accounts/:name/disable',
      summary: 'Disable an account; its mail and its keys stay',
      access: administrators,
      input: named,
      async run({ input, by }) {
        const { id, name } = await need(deps, input.name);
        const account = await deps.mailboxes.disableAccount({ name, actor: actorOf(deps, by) });
        const sessionsEnded = await deps.endSessions(id);
        return { ...shown(account), sessionsEnded };
      },
    }),
    route<{ name: string }>({
      name: 'account.enable',
      method: 'POST',
      path: '/accounts/:name/enable',
      summary: 'Open a disabled account again',
      access: administrators,
      input: named,
      async run({ input, by }) {
        const { name } = await need(deps, input.name);
        return shown(await deps.mailboxes.enableAccount({ name, actor: actorOf(deps, by) }));
      },
    }),
    route<{ name: string }>({
      name: 'account.unlock',
      method: 'POST',
      path: '/accounts/:name/unlock',
      summary: 'Let an account try again that failed sign-ins have locked',
      access: lockKeepers,
      input: named,
      async run({ input, by }) {
        const account = await need(deps, input.name);
        const actor = actorOf(deps, by, lockKeepers);
        const unlocked = await deps.unlock({ kind: 'account', id: account.id }, actor);
        return { ...shown(account), unlocked };
      },
    }),
  ];
}

function aliasRoutes(deps: AccountRoutesDeps): Route[] {
  return [
    route<{ name: string }>({
      name: 'account.aliases',
      method: 'GET',
      path: '/accounts/:name/aliases',
      summary: 'List the addresses that lead to an account beside its name',
      access: onlookers,
      input: named,
      async run({ input }) {
        const account = await need(deps, input.name);
        const { name } = account;
        return (await deps.mailboxes.listAliases(account)).map((address) => ({ name, address }));
      },
    }),
    route<{ name: string; address: string }>({
      name: 'account.alias',
      method: 'POST',
      path: '/accounts/:name/aliases',
      summary: 'Deliver another address to this account',
      access: administrators,
      input: objectSchema({ name: text, address: text }),
      async run({ input, by }) {
        const { name } = await need(deps, input.name);
        const { address } = input;
        await deps.mailboxes.addAlias({ name, address, actor: actorOf(deps, by) });
        return { name, address };
      },
    }),
    route<{ name: string; address: string }>({
      name: 'account.alias-remove',
      method: 'DELETE',
      path: '/accounts/:name/aliases/:address',
      summary: 'Deliver an address to this account no longer',
      access: administrators,
      input: objectSchema({ name: text, address: text }),
      async run({ input, by }) {
        const { name } = await need(deps, input.name);
        const { address } = input;
        await deps.mailboxes.removeAlias({ name, address, actor: actorOf(deps, by) });
        return { name, address, removed: true };
      },
    }),
  ];
}

function proposePassword(
  deps: AccountRoutesDeps,
  account: Account,
  by: PersonSession | undefined,
): Promise<Approval> {
  if (by === undefined) throw new PostsealError('access.signed-out');
  return deps.approvals.propose('account.password', passwordSubject(account), by);
}

function passwordRoutes(deps: AccountRoutesDeps): Route[] {
  return [
    route<{ name: string; password: string }>({
      name: 'account.create',
      method: 'POST',
      path: '/accounts',
      summary: 'Create a mail account with its keys and default folders',
      access: administrators,
      input: objectSchema({ name: text, password }),
      async run({ input, by }) {
        // The policy is checked first, so that no account is left behind without a password.
        const hash = await deps.credentials.check(Secret.fromText(input.password));
        const actor = actorOf(deps, by);
        const account = await deps.mailboxes.createAccount({ name: input.name, actor });
        await deps.credentials.setFirst(account, hash, actor);
        return shown(account);
      },
    }),
    route<{ name: string; approval?: string; password?: string }>({
      name: 'account.password',
      method: 'POST',
      path: '/accounts/:name/password',
      summary: 'New password of an account: proposes first, acts with the granted approval',
      access: approvalTable['account.password'].proposes,
      input: objectSchema({ name: text, approval: uuidSchema, password }, ['approval', 'password']),
      async run({ input, by }) {
        const account = await need(deps, input.name);
        if (input.approval === undefined && input.password === undefined) {
          const proposed = await proposePassword(deps, account, by);
          return { proposed, approves: approvalTable['account.password'].approves };
        }
        if (input.approval === undefined || input.password === undefined) {
          const finding = 'approval and password go together; without both it is proposed';
          throw new PostsealError('usage', { at: '/', finding });
        }
        const hash = await deps.credentials.check(Secret.fromText(input.password));
        await deps.credentials.replace(account, hash, input.approval, actorOf(deps, by));
        // Who knows the old password only is signed in no longer.
        const sessionsEnded = await deps.endSessions(account.id);
        return { ...shown(account), sessionsEnded };
      },
    }),
  ];
}

export function accountRoutes(deps: AccountRoutesDeps): readonly Route[] {
  return [
    ...passwordRoutes(deps),
    ...lookingRoutes(deps),
    ...changingRoutes(deps),
    ...aliasRoutes(deps),
  ];
}
