// A folder tree as one session sees it: names opened with the key of that session's own sign-in. It serves
// no other session, which may have no grant for them.
import type { AccountId } from '../../kernel/ids.ts';
import type { NameSealer } from '../names/name-sealer.ts';
import type { FolderInfo, SpecialUse } from '../types.ts';
import { type Folder, listFolders, type Tree } from './folder-plan.ts';
import type { SealedTree } from './sealed-trees.ts';

export interface OpenedTree extends Tree {
  readonly folders: readonly (Folder & {
    /** Equal for equal names: a name that is known need not be opened again. */
    readonly tag: string;
  })[];
  readonly list: readonly FolderInfo[];
  readonly bytes: number;
}

/** A folder, its line in the list, and its name twice. */
const folderBytes = 512;

/** Opens only names that `before` does not have. @throws IntegrityError when a name was tampered with. */
export function openTree(
  sealer: Pick<NameSealer, 'open'>,
  account: AccountId,
  sealed: SealedTree,
  before: OpenedTree | undefined,
): OpenedTree {
  const known = new Map(before?.folders.map(({ tag, name }) => [tag, name]));
  const folders: OpenedTree['folders'] = sealed.rows.map((row) => ({
    id: row.mailbox_id,
    name: known.get(row.tag) ?? sealer.open(account, row.name_cell),
    tag: row.tag,
    specialUse: (row.special_use ?? undefined) as SpecialUse | undefined,
    subscribed: row.subscribed,
    gone: row.gone,
  }));
  return {
    version: sealed.version,
    folders,
    list: listFolders({ version: sealed.version, folders }),
    bytes: folders.reduce((sum, { name }) => sum + folderBytes + 4 * name.length, folderBytes),
  };
}
