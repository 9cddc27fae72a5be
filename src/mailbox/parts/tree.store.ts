// Part kind `mailbox.tree`: changes of an account's folder tree. A change is planned on a version of the
// tree and applied only to that version, so plans (names taken, children, parents) need no locks while
// they are made; a plan that came too late fails with `store.conflict` and is made again.
import { PostsealError } from '../../kernel/errors.ts';
import type { AccountId, CustodianId, EventId, MailboxId, ModSeq } from '../../kernel/ids.ts';
import type { BatchTx, PartItem, PartKind } from '../../archive/committer/types.ts';
import {
  boolArray,
  byteaArray,
  int8Array,
  textArray,
  uuidArray,
} from '../../platform/postgres/binary-arrays.ts';
import { statement } from '../../platform/postgres/statement.ts';
import type { SealedName } from '../names/name-sealer.ts';
import { type Reporting, reportDeltas } from './delta.ts';
import { lockedMailbox } from './mailbox-lock.store.ts';

export interface NewFolder extends SealedName {
  readonly id: MailboxId;
  readonly specialUse: string | undefined;
  readonly subscribed: boolean;
}

export interface TreePart extends Reporting {
  readonly custodian: CustodianId;
  readonly account: AccountId;
  /** Undefined on the parts of one operation that follow the first. */
  readonly version: number | undefined;
  /** Lowest UIDVALIDITY that new folders may get: Unix seconds. */
  readonly uidValidityFrom: number;
  readonly create: readonly NewFolder[];
  readonly rename: readonly (SealedName & { readonly id: MailboxId })[];
  readonly remove: readonly MailboxId[];
  readonly subscribe: readonly { readonly id: MailboxId; readonly on: boolean }[];
}

const advance = statement<{ first: string }>(
  'mailbox.tree-advance',
  `UPDATE account SET tree_version = tree_version + 1, uidvalidity_next = greatest(uidvalidity_next, $4) + $5::int8, event_id = $6
   WHERE custodian_id = $1 AND account_id = $2 AND tree_version = $3
   RETURNING uidvalidity_next - $5::int8 AS first`,
);

const insert = statement<Record<string, never>>(
  'mailbox.tree-create',
  `WITH t AS MATERIALIZED (
    SELECT * FROM unnest($4::uuid[], $5::bytea[], $6::bytea[], $7::text[], $8::boolean[], $9::int8[])
      AS t (mailbox_id, name_tag, name_cell, special_use, subscribed, uidvalidity)
  ), m AS (
    INSERT INTO mailbox_memory (custodian_id, mailbox_id) SELECT $1::uuid, mailbox_id FROM t
  )
  INSERT INTO mailbox (custodian_id, mailbox_id, account_id, name_tag, name_cell, special_use, subscribed, uidvalidity, event_id)
  SELECT $1::uuid, mailbox_id, $2::uuid, name_tag, name_cell, special_use, subscribed, uidvalidity, $3::uuid FROM t`,
);

const rename = statement<Record<string, never>>(
  'mailbox.tree-rename',
  `UPDATE mailbox b SET name_tag = t.name_tag, name_cell = t.name_cell, event_id = $2
   FROM unnest($3::uuid[], $4::bytea[], $5::bytea[]) AS t (mailbox_id, name_tag, name_cell)
   WHERE b.custodian_id = $1 AND b.mailbox_id = t.mailbox_id`,
);

const remove = statement<{ mailbox_id: MailboxId; modseq: string }>(
  'mailbox.tree-remove',
  `UPDATE mailbox SET deleted_at = now(), highest_modseq = highest_modseq + 1, event_id = $2
   WHERE custodian_id = $1 AND mailbox_id = ANY($3::uuid[])
   RETURNING mailbox_id, highest_modseq AS modseq`,
);

const subscribe = statement<Record<string, never>>(
  'mailbox.tree-subscribe',
  `UPDATE mailbox b SET subscribed = t.subscribed, event_id = $2
   FROM unnest($3::uuid[], $4::boolean[]) AS t (mailbox_id, subscribed)
   WHERE b.custodian_id = $1 AND b.mailbox_id = t.mailbox_id`,
);

export const treeKind: PartKind<TreePart, undefined> = {
  name: 'mailbox.tree',
  stage: 70,
  // Subscriptions of deleted mailboxes change too; the lock takes them like any other.
  locks: (input) => ({
    mailboxes: [...input.rename, ...input.subscribe].map(({ id }) => id).concat(input.remove),
  }),
  committed: reportDeltas,
  async apply(tx, items) {
    const outputs = new Map<PartItem<TreePart>, PostsealError | undefined>();
    const refusedOperations = new Set<number>();
    // One order of accounts in every process: account rows are locked one after the other here.
    const ordered = [...items].sort((a, b) => (a.input.account < b.input.account ? -1 : 1));
    for (const item of stable(ordered, items)) {
      if (refusedOperations.has(item.opIndex)) continue;
      const refused = await applyOne(tx, item);
      outputs.set(item, refused);
      if (refused !== undefined) refusedOperations.add(item.opIndex);
    }
    return items.map((item) => outputs.get(item));
  },
};

/** Sorted by account, and within one account in order of arrival. */
function stable<I extends { readonly input: TreePart }>(
  ordered: readonly I[],
  arrival: readonly I[],
): I[] {
  const accounts = [...new Set(ordered.map(({ input }) => input.account))];
  return accounts.flatMap((account) => arrival.filter(({ input }) => input.account === account));
}

async function applyOne(
  tx: BatchTx,
  { input, event }: PartItem<TreePart>,
): Promise<PostsealError | undefined> {
  const { custodian } = input;
  for (const id of [...input.rename.map((folder) => folder.id), ...input.remove]) {
    const locked = lockedMailbox(tx, custodian, id);
    if (locked instanceof PostsealError)
      return new PostsealError('store.conflict', { mailbox: id });
  }
  const first = await advanced(tx, input, event);
  if (first instanceof PostsealError) return first;
  const [removed] = await Promise.all([
    input.remove.length === 0
      ? []
      : remove.rows(tx.client, [custodian, event, uuidArray(input.remove)]),
    input.rename.length === 0 ? undefined : renameFolders(tx, input, event),
    input.create.length === 0 ? undefined : createFolders(tx, input, event, first),
    input.subscribe.length === 0 ? undefined : setSubscribed(tx, input, event),
  ]);
  input.deltas = removed.map(({ mailbox_id: mailbox, modseq }) => ({
    mailbox,
    modseq: Number(modseq) as ModSeq,
    uids: [],
    flags: [],
    vanished: [],
    gone: true,
  }));
  return undefined;
}

/** The first UIDVALIDITY of this part, or the error of a plan that came too late. */
async function advanced(
  tx: BatchTx,
  input: TreePart,
  event: EventId,
): Promise<number | PostsealError> {
  const { custodian, account, version, uidValidityFrom, create } = input;
  if (version === undefined) return 0;
  const values = [custodian, account, version, uidValidityFrom, create.length, event];
  const row = await advance.first(tx.client, values);
  return row === undefined ? new PostsealError('store.conflict', { account }) : Number(row.first);
}

function createFolders(
  tx: BatchTx,
  { custodian, account, create }: TreePart,
  event: EventId,
  first: number,
): Promise<number> {
  return insertFolders(tx, { custodian, account, event, first }, create);
}

/** `first`: UIDVALIDITY of the first one; the others count up. */
export function insertFolders(
  tx: BatchTx,
  owner: {
    readonly custodian: CustodianId;
    readonly account: AccountId;
    readonly event: EventId;
    readonly first: number;
  },
  folders: readonly NewFolder[],
): Promise<number> {
  return insert.run(tx.client, [
    owner.custodian,
    owner.account,
    owner.event,
    uuidArray(folders.map(({ id }) => id)),
    byteaArray(folders.map(({ tag }) => tag)),
    byteaArray(folders.map(({ cell }) => cell)),
    textArray(folders.map(({ specialUse }) => specialUse ?? null)),
    boolArray(folders.map(({ subscribed }) => subscribed)),
    int8Array(folders.map((_, i) => owner.first + i)),
  ]);
}

function renameFolders(tx: BatchTx, input: TreePart, event: EventId): Promise<number> {
  return rename.run(tx.client, [
    input.custodian,
    event,
    uuidArray(input.rename.map(({ id }) => id)),
    byteaArray(input.rename.map(({ tag }) => tag)),
    byteaArray(input.rename.map(({ cell }) => cell)),
  ]);
}

function setSubscribed(tx: BatchTx, input: TreePart, event: EventId): Promise<number> {
  return subscribe.run(tx.client, [
    input.custodian,
    event,
    uuidArray(input.subscribe.map(({ id }) => id)),
    boolArray(input.subscribe.map(({ on }) => on)),
  ]);
}
