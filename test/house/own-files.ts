// What the repository's own files are: everything in the checkout that .gitignore does not name. It is read
// here and not asked of git, which a bare machine that got the sources as an archive does not have.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './source-tree.ts';

type Ignored = (path: string, isFolder: boolean) => boolean;

/** The three forms that .gitignore uses; another one is an error, since it would be misread. */
function ignoredBy(line: string): Ignored {
  const suffix = /^\*(\.[a-z]+)$/.exec(line)?.[1];
  if (suffix !== undefined) return (path) => path.endsWith(suffix);
  const folder = /^(\/?)([\w.-]+)\/$/.exec(line);
  if (folder === null) throw new Error(`.gitignore: ${line} is of no known form`);
  const [, rooted, name = ''] = folder;
  if (rooted === '/') return (path, isFolder) => isFolder && path === name;
  return (path, isFolder) => isFolder && path.split('/').at(-1) === name;
}

/** Paths from the repository root, with forward slashes, sorted; whether they are committed or not yet. */
export function ownFiles(): string[] {
  const ignored = readFileSync(join(root, '.gitignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map(ignoredBy);
  const walk = (folder: string): string[] =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      const isFolder = entry.isDirectory();
      // A work tree beside the main one has a file of this name, and no folder.
      if (path === '.git' || ignored.some((is) => is(path, isFolder))) return [];
      return isFolder ? walk(path) : [path];
    });
  return walk('').sort();
}
