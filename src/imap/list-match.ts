// Which folders a LIST or LSUB names, and with which attributes (RFC 9051 §6.3.9, RFC 5258, RFC 3501
// §6.3.9). Pure: folders in, lines out.
import type { FolderInfo } from '../mailbox/types.ts';
import type { ListLine } from './list-response.ts';
import { compileListPattern } from './wire/list-pattern.ts';

export interface ListQuery {
  readonly reference: string;
  readonly patterns: readonly string[];
  readonly subscribed: boolean;
  readonly specialUse: boolean;
  readonly recursiveMatch: boolean;
  /** Tell `\Subscribed`. */
  readonly tellSubscribed: boolean;
}

export interface ListedFolder extends ListLine {
  readonly folder: FolderInfo | undefined;
}

const separator = '/';

/** Lines of a LIST, in the order of the folders. */
export function matchList(folders: readonly FolderInfo[], query: ListQuery): ListedFolder[] {
  const matches = matcher(query);
  const selected = (folder: FolderInfo): boolean =>
    (!query.subscribed || folder.subscribed) &&
    (!query.specialUse || folder.specialUse !== undefined) &&
    // A name that is only subscribed is no mailbox and nobody's parent.
    (query.subscribed || folder.id !== undefined || folder.hasChildren);
  const parents = query.recursiveMatch ? parentsOf(folders.filter(selected)) : new Set<string>();
  return folders.flatMap((folder) => {
    if (!matches(folder.name)) return [];
    const childInfo = parents.has(folder.name);
    if (!selected(folder) && !childInfo) return [];
    return [{ name: folder.name, attributes: attributesOf(folder, query), childInfo, folder }];
  });
}

/**
 * Lines of an LSUB: subscribed names, and for `%` the parents of such that are not subscribed
 * themselves, as `\Noselect` (RFC 3501 §6.3.9).
 */
export function matchLsub(
  folders: readonly FolderInfo[],
  reference: string,
  pattern: string,
): ListLine[] {
  const matches = matcher({ reference, patterns: [pattern] });
  const subscribed = folders.filter((folder) => folder.subscribed);
  const names = new Set(subscribed.map((folder) => folder.name));
  const parents = [...parentsOf(subscribed)].filter((name) => !names.has(name));
  return [
    ...subscribed.map((folder) => ({
      kind: 'LSUB' as const,
      name: folder.name,
      attributes: attributesOf(folder, { tellSubscribed: false }),
    })),
    ...(pattern.includes('%') ? parents : []).map((name) => ({
      kind: 'LSUB' as const,
      name,
      attributes: ['\\Noselect', '\\HasChildren'],
    })),
  ].filter(({ name }) => matches(name));
}

function matcher(query: Pick<ListQuery, 'reference' | 'patterns'>): (name: string) => boolean {
  const tests = query.patterns.map((pattern) => {
    // A pattern that begins with the separator is absolute (RFC 9051 §6.3.9).
    const whole = pattern.startsWith(separator) ? pattern.slice(1) : query.reference + pattern;
    return compileListPattern(whole, separator);
  });
  return (name) => tests.some((test) => test(name));
}

function attributesOf(
  folder: FolderInfo,
  query: Pick<ListQuery, 'tellSubscribed'>,
): readonly string[] {
  return [
    // \NonExistent says \Noselect too, but clients of RFC 3501 know only the latter.
    ...(folder.id === undefined ? ['\\NonExistent', '\\Noselect'] : []),
    folder.hasChildren ? '\\HasChildren' : '\\HasNoChildren',
    ...(query.tellSubscribed && folder.subscribed ? ['\\Subscribed'] : []),
    ...(folder.specialUse === undefined ? [] : [folder.specialUse]),
  ];
}

function parentsOf(folders: readonly FolderInfo[]): Set<string> {
  const out = new Set<string>();
  for (const { name } of folders) {
    for (let at = name.lastIndexOf(separator); at > 0; at = name.lastIndexOf(separator, at - 1)) {
      out.add(name.slice(0, at));
    }
  }
  return out;
}
