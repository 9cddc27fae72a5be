// AccountView: the folder tree of one account for one signed-in session, which holds the names key.
import { PostsealError } from '../../kernel/errors.ts';
import type { MailboxId, Uid } from '../../kernel/ids.ts';
import type { Actor } from '../../ledger/event/draft.ts';
import { flagBits } from '../flags/flag-resolver.ts';
import { folderName, inboxName, lookupName } from '../names/folder-name.ts';
import type { SealerOnDemand } from '../names/sealer-on-demand.ts';
import type { Room } from '../room.ts';
import type {
  Account,
  AccountView,
  FlagName,
  FolderInfo,
  MailboxView,
  SpecialUse,
  StatusCounts,
} from '../types.ts';
import { openView } from '../view/session-view.ts';
import { readStatuses, readTree } from './directory-read.store.ts';
import {
  listFolders,
  planCreate,
  planRemove,
  planRename,
  planSubscribe,
  type Tree,
} from './folder-plan.ts';
import { changeTree } from './tree-change.ts';

/** Takes the sealer over: `close` destroys its key. */
export function createAccountView(
  room: Room,
  account: Account,
  sealer: SealerOnDemand,
): AccountView {
  return new SessionAccountView(room, account, sealer);
}

class SessionAccountView implements AccountView {
  readonly account: Account;
  readonly #room: Room;
  readonly #sealer: SealerOnDemand;
  /** Opened names by the bytes of their cell, which a rename changes. */
  #names = new Map<string, string>();

  constructor(room: Room, account: Account, sealer: SealerOnDemand) {
    this.account = account;
    this.#room = room;
    this.#sealer = sealer;
  }

  async folders(): Promise<FolderInfo[]> {
    return listFolders(await this.#tree());
  }

  async find(name: string): Promise<FolderInfo | undefined> {
    const wanted = lookupName(name);
    return (await this.folders()).find((folder) => folder.name === wanted);
  }

  async create(name: string, actor: Actor, specialUse?: SpecialUse): Promise<FolderInfo> {
    await this.#change('mailbox.created', actor, (tree) => planCreate(tree, name, specialUse));
    const made = await this.find(name);
    // Somebody else may have deleted it in this very moment.
    if (made?.id === undefined) throw new PostsealError('mailbox.unknown');
    return made;
  }

  remove(name: string, actor: Actor): Promise<void> {
    return this.#change('mailbox.deleted', actor, (tree) => planRemove(tree, name));
  }

  async rename(from: string, to: string, actor: Actor): Promise<void> {
    if (folderName(from) === inboxName) return this.#emptyInboxInto(to, actor);
    return this.#change('mailbox.renamed', actor, (tree) => planRename(tree, from, to));
  }

  subscribe(name: string, on: boolean, actor: Actor): Promise<void> {
    return this.#change('mailbox.subscribed', actor, (tree) => planSubscribe(tree, name, on));
  }

  async status(id: MailboxId): Promise<StatusCounts> {
    const counts = (await this.statuses([id])).get(id);
    if (counts === undefined) throw new PostsealError('mailbox.unknown', { mailbox: id });
    return counts;
  }

  statuses(ids: readonly MailboxId[]): Promise<ReadonlyMap<MailboxId, StatusCounts>> {
    return readStatuses(this.#room.db.pool, this.account.custodian, ids);
  }

  async flagBits(id: MailboxId, names: readonly FlagName[], actor: Actor): Promise<number> {
    const key = { custodian: this.account.custodian, mailbox: id };
    return flagBits(this.#room, await this.#sealer.get(), { key, names, actor, allot: true });
  }

  async open(id: MailboxId, mode: 'read-write' | 'read-only'): Promise<MailboxView> {
    const scope = { room: this.#room, sealer: await this.#sealer.get(), account: this.account };
    return openView(scope, { custodian: this.account.custodian, mailbox: id }, mode);
  }

  close(): void {
    this.#names.clear();
    this.#sealer.close();
  }

  /** RFC 9051 §6.3.6: RENAME of INBOX moves its messages and leaves it, and what is below it, in place. */
  async #emptyInboxInto(to: string, actor: Actor): Promise<void> {
    const target = await this.create(to, actor);
    if (target.id === undefined) throw new PostsealError('mailbox.unknown');
    const inbox = await this.open(this.account.inbox, 'read-write');
    try {
      const uids = Array.from(inbox.snapshot().uids) as Uid[];
      await inbox.move({ uids, to: target.id, actor });
    } finally {
      inbox.close();
    }
  }

  async #change(
    op: 'mailbox.created' | 'mailbox.deleted' | 'mailbox.renamed' | 'mailbox.subscribed',
    actor: Actor,
    plan: Parameters<typeof changeTree>[3],
  ): Promise<void> {
    const scope = {
      room: this.#room,
      sealer: await this.#sealer.get(),
      account: this.account,
      readTree: () => this.#tree(),
    };
    return changeTree(scope, op, actor, plan);
  }

  async #tree(): Promise<Tree> {
    const sealer = await this.#sealer.get();
    const rows = await readTree(this.#room.db.pool, this.account);
    const names = new Map<string, string>();
    const folders = rows.map((row) => {
      const cell = row.name_cell.toString('base64');
      const name = this.#names.get(cell) ?? sealer.open(this.account.id, row.name_cell);
      names.set(cell, name);
      return {
        id: row.mailbox_id,
        name,
        specialUse: (row.special_use ?? undefined) as SpecialUse | undefined,
        subscribed: row.subscribed,
        gone: row.gone,
      };
    });
    this.#names = names;
    return { version: Number(rows[0]?.version ?? 0), folders };
  }
}
