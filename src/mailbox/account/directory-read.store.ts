// Reads of the directory: accounts by name, address and id, the rows of a folder tree, and counters.
import type {
  AccountId,
  CustodianId,
  MailboxId,
  ModSeq,
  Uid,
  UidValidity,
} from '../../kernel/ids.ts';
import { uuidArray } from '../../platform/postgres/binary-arrays.ts';
import { statement, type Queryable } from '../../platform/postgres/statement.ts';
import type { Account, StatusCounts, StatusWish } from '../types.ts';

interface AccountRow {
  readonly account_id: AccountId;
  readonly custodian_id: CustodianId;
  readonly name: string;
  readonly state: Account['state'];
  readonly inbox_id: MailboxId;
}

const columns = 'a.account_id, a.custodian_id, a.name, a.state, a.inbox_id';

const byName = statement<AccountRow>(
  'mailbox.account-by-name',
  `SELECT ${columns} FROM account a WHERE a.name = $1`,
);
const byAddress = statement<AccountRow>(
  'mailbox.account-by-address',
  `SELECT ${columns} FROM address d JOIN account a ON a.account_id = d.account_id WHERE d.address = $1`,
);
const all = statement<AccountRow>(
  'mailbox.accounts',
  `SELECT ${columns} FROM account a ORDER BY a.name`,
);

const accountOf = (row: AccountRow): Account => ({
  id: row.account_id,
  custodian: row.custodian_id,
  name: row.name,
  state: row.state,
  inbox: row.inbox_id,
});

export async function readAccount(db: Queryable, name: string): Promise<Account | undefined> {
  const row = await byName.first(db, [name]);
  return row === undefined ? undefined : accountOf(row);
}

export async function readAccountByAddress(
  db: Queryable,
  address: string,
): Promise<Account | undefined> {
  const row = await byAddress.first(db, [address]);
  return row === undefined ? undefined : accountOf(row);
}

export async function readAccounts(db: Queryable): Promise<Account[]> {
  return (await all.rows(db)).map(accountOf);
}

const aliases = statement<{ readonly address: string }>(
  'mailbox.aliases',
  `SELECT d.address FROM address d JOIN account a ON a.account_id = d.account_id
   WHERE d.custodian_id = $1 AND d.account_id = $2 AND d.address <> a.name ORDER BY d.address`,
);

/** Addresses of an account beside its name, in their order. */
export async function readAliases(
  db: Queryable,
  { custodian, id }: Pick<Account, 'custodian' | 'id'>,
): Promise<string[]> {
  return (await aliases.rows(db, [custodian, id])).map(({ address }) => address);
}

export interface TreeRow {
  readonly version: string;
  readonly mailbox_id: MailboxId;
  /** Hex; see NameSealer. */
  readonly tag: string;
  readonly name_cell: Buffer;
  readonly special_use: string | null;
  readonly subscribed: boolean;
  readonly gone: boolean;
}

const tree = statement<TreeRow>(
  'mailbox.tree',
  `SELECT a.tree_version AS version, b.mailbox_id, encode(b.name_tag, 'hex') AS tag, b.name_cell,
     b.special_use, b.subscribed, b.deleted_at IS NOT NULL AS gone
   FROM account a JOIN mailbox b ON b.account_id = a.account_id
   WHERE a.custodian_id = $1 AND a.account_id = $2 AND (b.deleted_at IS NULL OR b.subscribed)
   ORDER BY b.uidvalidity`,
);

/** Oldest first; deleted mailboxes only when their name is still subscribed. */
export function readTree(
  db: Queryable,
  account: { readonly custodian: CustodianId; readonly id: AccountId },
): Promise<readonly TreeRow[]> {
  return tree.rows(db, [account.custodian, account.id]);
}

const treeVersion = statement<{ version: string }>(
  'mailbox.tree-version',
  'SELECT tree_version AS version FROM account WHERE custodian_id = $1 AND account_id = $2',
);

/** Grows with every change of the tree; undefined without such an account. */
export async function readTreeVersion(
  db: Queryable,
  account: { readonly custodian: CustodianId; readonly id: AccountId },
): Promise<number | undefined> {
  const row = await treeVersion.first(db, [account.custodian, account.id]);
  return row === undefined ? undefined : Number(row.version);
}

interface StatusRow {
  readonly mailbox_id: MailboxId;
  readonly uidvalidity: string;
  readonly uidnext: string;
  readonly highest_modseq: string;
  readonly messages: string;
  readonly unseen: string;
  readonly deleted: string;
  readonly size: string;
  readonly name_tag: string;
  readonly recent: string | null;
}

// Counters are kept by every change; only \Recent counts rows, those above the watermark. Who does not ask
// for it does not pay for the partitions of `message` in the plan.
function statusSql(recent: string): string {
  return `SELECT b.mailbox_id, b.uidvalidity, b.uidnext, b.highest_modseq, b.messages, b.unseen, b.deleted, b.size,
     encode(b.name_tag, 'hex') AS name_tag, ${recent} AS recent
   FROM mailbox b JOIN mailbox_memory w ON w.custodian_id = b.custodian_id AND w.mailbox_id = b.mailbox_id
   WHERE b.custodian_id = $1 AND b.mailbox_id = ANY($2::uuid[]) AND b.deleted_at IS NULL`;
}

const status = statement<StatusRow>('mailbox.status', statusSql('NULL'));
const statusWithRecent = statement<StatusRow>(
  'mailbox.status-recent',
  statusSql(`CASE WHEN w.recent_from >= b.uidnext THEN 0 WHEN w.recent_from <= 1 THEN b.messages
       ELSE (SELECT count(*) FROM message m WHERE m.custodian_id = $1 AND m.mailbox_id = b.mailbox_id AND m.uid >= w.recent_from)
     END`),
);

export interface ReadStatus extends StatusCounts {
  /** Hex; see NameSealer. */
  readonly nameTag: string;
}

/** Those that are gone are missing in the answer. */
export async function readStatuses(
  db: Queryable,
  custodian: CustodianId,
  mailboxes: readonly MailboxId[],
  want: StatusWish,
): Promise<Map<MailboxId, ReadStatus>> {
  const query = want.recent ? statusWithRecent : status;
  const rows = await query.rows(db, [custodian, uuidArray(mailboxes)]);
  return new Map(
    rows.map((row) => [
      row.mailbox_id,
      {
        messages: Number(row.messages),
        unseen: Number(row.unseen),
        deleted: Number(row.deleted),
        recent: row.recent === null ? undefined : Number(row.recent),
        size: Number(row.size),
        uidNext: Number(row.uidnext) as Uid,
        uidValidity: Number(row.uidvalidity) as UidValidity,
        highestModSeq: Number(row.highest_modseq) as ModSeq,
        nameTag: row.name_tag,
      },
    ]),
  );
}
