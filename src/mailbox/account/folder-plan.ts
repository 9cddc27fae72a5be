// Plans changes of a folder tree: what must be made, renamed and removed for CREATE, DELETE, RENAME and
// SUBSCRIBE (RFC 9051 §6.3.4 to §6.3.8). Pure: names in, names out; sealing and storing come after.
// Names that are no mailbox but lie on the way to one (`a` of `a/b`) have no row: they are computed.
import { PostsealError } from '../../kernel/errors.ts';
import type { MailboxId } from '../../kernel/ids.ts';
import { compareNames, folderName, inboxName, isBelow, parentNames } from '../names/folder-name.ts';
import type { FolderInfo, SpecialUse } from '../types.ts';

/** A row of the tree; `gone` rows are deleted mailboxes whose name is still subscribed. */
export interface Folder {
  readonly id: MailboxId;
  readonly name: string;
  readonly specialUse: SpecialUse | undefined;
  readonly subscribed: boolean;
  readonly gone: boolean;
}

export interface Tree {
  readonly version: number;
  readonly folders: readonly Folder[];
}

export interface TreePlan {
  readonly create: readonly {
    readonly name: string;
    readonly specialUse: SpecialUse | undefined;
    readonly subscribed: boolean;
  }[];
  readonly rename: readonly { readonly id: MailboxId; readonly name: string }[];
  readonly remove: readonly MailboxId[];
  readonly subscribe: readonly { readonly id: MailboxId; readonly on: boolean }[];
}

const nothing: TreePlan = { create: [], rename: [], remove: [], subscribe: [] };

/** @throws PostsealError `mailbox.exists` (also for a special use that another folder has), `mailbox.name`. */
export function planCreate(tree: Tree, raw: string, specialUse?: SpecialUse): TreePlan {
  const name = folderName(raw);
  if (live(tree, name) !== undefined) throw new PostsealError('mailbox.exists');
  const taken = tree.folders.some((f) => !f.gone && f.specialUse === specialUse);
  if (specialUse !== undefined && taken) {
    throw new PostsealError('mailbox.exists', { reason: 'special-use' });
  }
  return { ...nothing, ...made(tree, name, specialUse) };
}

/** @throws PostsealError `mailbox.unknown`, `mailbox.protected`. */
export function planRemove(tree: Tree, raw: string): TreePlan {
  const name = folderName(raw);
  if (name === inboxName) throw new PostsealError('mailbox.protected');
  const folder = live(tree, name);
  if (folder === undefined) throw new PostsealError('mailbox.unknown');
  return { ...nothing, remove: [folder.id] };
}

/** Not for INBOX. @throws PostsealError `mailbox.unknown`, `mailbox.exists`, `mailbox.name`. */
export function planRename(tree: Tree, rawFrom: string, rawTo: string): TreePlan {
  const from = folderName(rawFrom);
  const to = folderName(rawTo);
  if (to === inboxName || live(tree, to) !== undefined) throw new PostsealError('mailbox.exists');
  if (isBelow(to, from)) throw new PostsealError('mailbox.name', { reason: 'below-itself' });
  const moving = tree.folders.filter(
    (folder) => !folder.gone && (folder.name === from || isBelow(folder.name, from)),
  );
  if (moving.length === 0) throw new PostsealError('mailbox.unknown');
  const rename = moving.map(({ id, name }) => ({
    id,
    name: folderName(to + name.slice(from.length)),
  }));
  if (rename.some(({ name }) => live(tree, name) !== undefined)) {
    throw new PostsealError('mailbox.exists', { reason: 'child' });
  }
  // Parents that this very rename takes away are made again by it: `a` to `a-old/a` keeps no `a`.
  const rest = tree.folders.filter((folder) => !moving.includes(folder));
  const parents = parentNames(to).filter(
    (name) => live({ ...tree, folders: rest }, name) === undefined,
  );
  const back = rename.map(({ name }) => goneWith(tree, name)).filter((f) => f !== undefined);
  return {
    ...nothing,
    create: parents.map((name) => ({ name, specialUse: undefined, subscribed: false })),
    rename,
    subscribe: back.map(({ id }) => ({ id, on: false })),
  };
}

/** @throws PostsealError `mailbox.unknown` for a name that never was. */
export function planSubscribe(tree: Tree, raw: string, on: boolean): TreePlan {
  const name = folderName(raw);
  const named = tree.folders.filter((folder) => folder.name === name);
  const wanted = named.find((folder) => !folder.gone) ?? named[0];
  if (wanted === undefined) {
    if (on) throw new PostsealError('mailbox.unknown');
    return nothing;
  }
  const rows = on ? [wanted] : named;
  const changed = rows.filter(({ subscribed }) => subscribed !== on);
  return { ...nothing, subscribe: changed.map(({ id }) => ({ id, on })) };
}

/** What a client may see: rows, missing parents, and names that are only subscribed. */
export function listFolders({ folders }: Tree): readonly FolderInfo[] {
  const out = new Map<string, FolderInfo>();
  const liveNames = folders.filter(({ gone }) => !gone).map(({ name }) => name);
  const parents = new Set(liveNames.flatMap(parentNames));
  const add = (name: string, row: Folder | undefined): void => {
    const known = out.get(name);
    out.set(name, {
      id: row?.gone === false ? row.id : known?.id,
      name,
      specialUse: row?.gone === false ? row.specialUse : known?.specialUse,
      subscribed: row?.subscribed === true || known?.subscribed === true,
      hasChildren: parents.has(name),
    });
  };
  for (const name of parents) add(name, undefined);
  for (const folder of folders) add(folder.name, folder);
  return [...out.values()].sort((a, b) => compareNames(a.name, b.name));
}

/** The folder and its missing parents; a subscription of the name that was kept goes over to it. */
function made(
  tree: Tree,
  name: string,
  specialUse: SpecialUse | undefined,
): Pick<TreePlan, 'create' | 'subscribe'> {
  const names = [...parentNames(name), name].filter((each) => live(tree, each) === undefined);
  const kept = names.map((each) => goneWith(tree, each));
  return {
    create: names.map((each, i) => ({
      name: each,
      specialUse: each === name ? specialUse : undefined,
      subscribed: kept[i] !== undefined,
    })),
    subscribe: kept.filter((folder) => folder !== undefined).map(({ id }) => ({ id, on: false })),
  };
}

function live({ folders }: Tree, name: string): Folder | undefined {
  return folders.find((folder) => !folder.gone && folder.name === name);
}

function goneWith({ folders }: Tree, name: string): Folder | undefined {
  return folders.find((folder) => folder.gone && folder.subscribed && folder.name === name);
}
