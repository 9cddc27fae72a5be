// Part kinds of the directory: accounts and their addresses. An account is a login and a folder tree; the
// keys belong to its custodian and are not touched here.
import { PostsealError } from '../../kernel/errors.ts';
import type { AccountId, CustodianId, MailboxId } from '../../kernel/ids.ts';
import type { PartKind } from '../../archive/committer/types.ts';
import { statement } from '../../platform/postgres/statement.ts';
import { insertFolders, type NewFolder } from './tree.store.ts';

export interface AccountPart {
  readonly custodian: CustodianId;
  readonly account: AccountId;
  /** Lower case. */
  readonly name: string;
  readonly inbox: MailboxId;
  readonly uidValidityFrom: number;
  /** INBOX first. */
  readonly folders: readonly NewFolder[];
}

// The name is an address too: the unique index on addresses keeps names and aliases apart.
const insertAccount = statement<{ account_id: string }>(
  'mailbox.account-create',
  `WITH a AS (
    INSERT INTO address (custodian_id, address, account_id, event_id) SELECT $1::uuid, $3::text, $2::uuid, $7::uuid
    ON CONFLICT (address) DO NOTHING RETURNING account_id
  )
  INSERT INTO account (custodian_id, account_id, name, state, inbox_id, uidvalidity_next, event_id)
  SELECT $1::uuid, account_id, $3::text, 'active', $4::uuid, $5::int8 + $6::int8, $7::uuid FROM a
  ON CONFLICT (name) DO NOTHING RETURNING account_id`,
);

export const accountKind: PartKind<AccountPart, undefined> = {
  name: 'mailbox.account-create',
  stage: 70,
  locks: () => ({}),
  apply: async (tx, items) => {
    const out: (PostsealError | undefined)[] = [];
    for (const { input, event } of items) {
      const { custodian, account, name, inbox, uidValidityFrom: first, folders } = input;
      const made = await insertAccount.first(tx.client, [
        custodian,
        account,
        name,
        inbox,
        first,
        folders.length,
        event,
      ]);
      if (made !== undefined) {
        await insertFolders(tx, { custodian, account, event, first }, folders);
      }
      out.push(made === undefined ? new PostsealError('account.exists') : undefined);
    }
    return out;
  },
};

export interface AccountStatePart {
  readonly custodian: CustodianId;
  readonly account: AccountId;
  readonly state: 'active' | 'disabled';
}

const setState = statement<Record<string, never>>(
  'mailbox.account-state',
  'UPDATE account SET state = $3, event_id = $4 WHERE custodian_id = $1 AND account_id = $2',
);

export const accountStateKind: PartKind<AccountStatePart, undefined> = {
  name: 'mailbox.account-state',
  stage: 71,
  locks: () => ({}),
  apply: async (tx, items) => {
    const out: (PostsealError | undefined)[] = [];
    for (const { input, event } of items) {
      const { custodian, account, state } = input;
      const touched = await setState.run(tx.client, [custodian, account, state, event]);
      out.push(touched === 1 ? undefined : new PostsealError('account.unknown', { account }));
    }
    return out;
  },
};

export interface AliasPart {
  readonly custodian: CustodianId;
  readonly account: AccountId;
  /** Lower case. */
  readonly address: string;
}

const insertAlias = statement<{ account_id: string }>(
  'mailbox.alias-add',
  `WITH fresh AS (
    INSERT INTO address (custodian_id, address, account_id, event_id)
    VALUES ($1, $2, $3, $4) ON CONFLICT (address) DO NOTHING RETURNING account_id
  )
  SELECT account_id FROM fresh UNION ALL SELECT account_id FROM address WHERE address = $2`,
);

/** Adding an alias twice to the same account is no error. */
export const aliasKind: PartKind<AliasPart, undefined> = {
  name: 'mailbox.alias-add',
  stage: 72,
  locks: () => ({}),
  apply: async (tx, items) => {
    const out: (PostsealError | undefined)[] = [];
    for (const { input, event } of items) {
      const { custodian, account, address } = input;
      const owner = await insertAlias.first(tx.client, [custodian, address, account, event]);
      const own = owner?.account_id === account;
      out.push(own ? undefined : new PostsealError('account.exists', {}));
    }
    return out;
  },
};

// A row that goes away carries the event of its deletion (migration 0001), so it is named first.
const nameAlias = statement<Record<string, never>>(
  'mailbox.alias-name',
  'UPDATE address SET event_id = $4 WHERE custodian_id = $1 AND address = $2 AND account_id = $3',
);
const deleteAlias = statement<Record<string, never>>(
  'mailbox.alias-remove',
  'DELETE FROM address WHERE custodian_id = $1 AND address = $2 AND account_id = $3',
);

export const aliasRemovalKind: PartKind<AliasPart, undefined> = {
  name: 'mailbox.alias-remove',
  stage: 73,
  locks: () => ({}),
  apply: async (tx, items) => {
    const out: (PostsealError | undefined)[] = [];
    for (const { input, event } of items) {
      const { custodian, account, address } = input;
      const [named] = await Promise.all([
        nameAlias.run(tx.client, [custodian, address, account, event]),
        deleteAlias.run(tx.client, [custodian, address, account]),
      ]);
      out.push(named === 1 ? undefined : new PostsealError('account.alias', {}));
    }
    return out;
  },
};
