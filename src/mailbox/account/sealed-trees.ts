// Folder trees as they are stored, names sealed, shared by the sessions of this process. What is kept may
// be out of date at any time, because another process changes trees too; so nobody takes it on trust. Who
// needs the whole tree asks for its version first, and who goes to one mailbox by its name has whatever
// reads or locks the mailbox's row look at the name there (`Place.nameTag`). That is why no change has to
// be told to anybody.
import type { AccountId, MailboxId } from '../../kernel/ids.ts';
import type { Queryable } from '../../platform/postgres/statement.ts';
import type { Account } from '../types.ts';
import { readTree, readTreeVersion, type TreeRow } from './directory-read.store.ts';
import { KeptByBytes } from './kept-by-bytes.ts';

export interface SealedTree {
  readonly version: number;
  /** Oldest first; deleted mailboxes only when their name is still subscribed. */
  readonly rows: readonly TreeRow[];
  /** Mailboxes that are there, by the tag of their name in hex. */
  readonly places: ReadonlyMap<string, MailboxId>;
  readonly bytes: number;
}

type Owner = Pick<Account, 'custodian' | 'id'>;

/** A row with its strings, and its entry among the places. */
const rowBytes = 512;

export class SealedTrees {
  readonly #db: Queryable;
  readonly #kept: KeptByBytes<AccountId, SealedTree>;

  constructor(db: Queryable, bytesMax: number) {
    this.#db = db;
    this.#kept = new KeptByBytes(bytesMax);
  }

  /** As this process last saw it. */
  known({ id }: Owner): SealedTree | undefined {
    return this.#kept.get(id);
  }

  /** With every change that was committed before the call. */
  async now(account: Owner): Promise<SealedTree> {
    const kept = this.#kept.get(account.id);
    if (kept === undefined) return this.read(account);
    const version = await readTreeVersion(this.#db, account);
    return version === kept.version ? kept : this.read(account);
  }

  /** The same, from all its rows. */
  async read(account: Owner): Promise<SealedTree> {
    const rows = await readTree(this.#db, account);
    const tree = {
      version: Number(rows[0]?.version ?? 0),
      rows,
      places: new Map(rows.filter(({ gone }) => !gone).map((row) => [row.tag, row.mailbox_id])),
      bytes: rows.reduce((sum, { name_cell: cell }) => sum + rowBytes + cell.length, rowBytes),
    };
    const kept = this.#kept.get(account.id);
    // Somebody who asked later was answered first.
    if (kept !== undefined && kept.version > tree.version) return kept;
    this.#kept.set(account.id, tree);
    return tree;
  }

  /** After a change made here, which leaves nothing to compare. */
  forget({ id }: Owner): void {
    this.#kept.delete(id);
  }
}
