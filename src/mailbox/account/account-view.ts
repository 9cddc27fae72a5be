// AccountView: the folder tree of one account for one signed-in session, which holds the names key. What
// this process keeps of trees is only where it looks first (sealed-trees.ts); whatever an answer rests on
// was read or locked after the command came.
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
  Place,
  SpecialUse,
  StatusCounts,
  StatusWish,
} from '../types.ts';
import { openView } from '../view/session-view.ts';
import { readStatuses } from './directory-read.store.ts';
import { planCreate, planRemove, planRename, planSubscribe } from './folder-plan.ts';
import { type OpenedTree, openTree } from './opened-tree.ts';
import { changeTree } from './tree-change.ts';

/** Names that change their mailbox while a command looks for it: more often is no coincidence. */
const looksMax = 5;
const everything: StatusWish = { recent: true };

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
  #closed = false;

  constructor(room: Room, account: Account, sealer: SealerOnDemand) {
    this.account = account;
    this.#room = room;
    this.#sealer = sealer;
  }

  async folders(): Promise<readonly FolderInfo[]> {
    return (await this.#tree()).list;
  }

  async find(name: string): Promise<FolderInfo | undefined> {
    const wanted = lookupName(name);
    return (await this.folders()).find((folder) => folder.name === wanted);
  }

  async place(name: string, look = { now: false }): Promise<Place | undefined> {
    const known = look.now ? undefined : await this.#place(name, 'known');
    return known ?? this.#place(name, 'read');
  }

  async at<T>(name: string, act: (place: Place) => Promise<T>): Promise<T | undefined> {
    let place = await this.place(name);
    for (let looks = 1; place !== undefined; looks += 1) {
      try {
        return await act(place);
      } catch (error) {
        if (looks >= looksMax || !isElsewhere(error, place)) throw error;
        place = await this.#place(name, 'read');
      }
    }
    return undefined;
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

  async status(
    id: MailboxId,
    want: StatusWish = everything,
    nameTag?: string,
  ): Promise<StatusCounts> {
    const counts = (await this.#statuses([id], want)).get(id);
    if (counts === undefined || (nameTag !== undefined && counts.nameTag !== nameTag)) {
      throw new PostsealError('mailbox.unknown', { mailbox: id });
    }
    return counts;
  }

  statuses(
    ids: readonly MailboxId[],
    want: StatusWish = everything,
  ): Promise<ReadonlyMap<MailboxId, StatusCounts>> {
    return this.#statuses(ids, want);
  }

  async flagBits(
    id: MailboxId,
    names: readonly FlagName[],
    actor: Actor,
    nameTag?: string,
  ): Promise<number> {
    const key = { custodian: this.account.custodian, mailbox: id };
    const sealer = await this.#sealer.get();
    return flagBits(this.#room, sealer, { key, names, actor, allot: true, nameTag });
  }

  async open(
    id: MailboxId,
    mode: 'read-write' | 'read-only',
    nameTag?: string,
  ): Promise<MailboxView> {
    const scope = { room: this.#room, sealer: await this.#sealer.get(), account: this.account };
    const key = { custodian: this.account.custodian, mailbox: id };
    return openView(scope, key, { mode, nameTag });
  }

  close(): void {
    this.#closed = true;
    this.#room.opened.delete(this);
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

  /** Where the name was when it was last looked for, or where it is now. INBOX never moves. */
  async #place(name: string, look: 'known' | 'read'): Promise<Place | undefined> {
    const wanted = lookupName(name);
    if (wanted === undefined) return undefined;
    const { account } = this;
    if (wanted === inboxName) return { id: account.inbox, name: wanted, nameTag: undefined };
    const { trees } = this.#room;
    const nameTag = (await this.#sealer.get()).folderTag(account.id, wanted).toString('hex');
    const tree = look === 'known' ? trees.known(account) : await trees.read(account);
    const id = tree?.places.get(nameTag);
    return id === undefined ? undefined : { id, name: wanted, nameTag };
  }

  #statuses(ids: readonly MailboxId[], want: StatusWish) {
    return readStatuses(this.#room.db.pool, this.account.custodian, ids, want);
  }

  /** With every change that was committed before the call. */
  async #tree(): Promise<OpenedTree> {
    // First of all the key: who may not open the names may not see them opened either.
    const sealer = await this.#sealer.get();
    const { trees, opened } = this.#room;
    const sealed = await trees.now(this.account);
    const known = opened.get(this);
    if (known?.version === sealed.version) return known;
    const tree = openTree(sealer, this.account.id, sealed, known);
    if (!this.#closed) opened.set(this, tree);
    return tree;
  }
}

/** What was done there found another mailbox than the one that has the name, or none. */
function isElsewhere(error: unknown, { id, nameTag }: Place): boolean {
  if (nameTag === undefined || !(error instanceof PostsealError)) return false;
  return error.code === 'mailbox.unknown' && error.fields['mailbox'] === id;
}
