// Reads the source tree once for the house tests: files, their imports, and the room of each path.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

/** Rooms from top to bottom (docs/architecture.md §1): a room imports only from rooms above it. */
export const rooms = [
  'kernel',
  'mime',
  'imap/wire',
  'platform',
  'ledger/event',
  'vault',
  'ledger',
  'archive',
  'mailbox',
  'search',
  'access',
  'governance',
  'cases',
  'intake',
  'imap',
  'operate',
  'evidence',
  'admin',
  'cli',
  'app',
] as const;

export interface SourceFile {
  /** Path from the repository root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly { readonly from: string; readonly typeOnly: boolean }[];
}

function walk(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : walk(path);
    return [path];
  });
}

function importsOf(text: string): SourceFile['imports'] {
  const found: { from: string; typeOnly: boolean }[] = [];
  const pattern = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm;
  for (const match of text.matchAll(pattern)) {
    found.push({ from: match[2] ?? '', typeOnly: match[1] !== undefined });
  }
  for (const match of text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g)) {
    found.push({ from: match[1] ?? '', typeOnly: false });
  }
  return found;
}

/** Every TypeScript file below `folders` of the repository. */
export function readSources(...folders: string[]): SourceFile[] {
  return folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => walk(join(root, folder)))
    .filter((path) => /\.tsx?$/.test(path))
    .sort()
    .map((path) => {
      const text = readFileSync(path, 'utf8');
      return { path: relative(root, path).replaceAll('\\', '/'), text, imports: importsOf(text) };
    });
}

/** The room that `path` (from the root) lies in: the longest room name that is a prefix. */
export function roomOf(path: string): string | undefined {
  const inside = path.replace(/^src\//, '');
  // src/app.ts and the files of src/app/ are the composition: one room, last in the list.
  return [...rooms]
    .sort((a, b) => b.length - a.length)
    .find((room) => inside === `${room}.ts` || inside.startsWith(`${room}/`));
}

/** Path from the root of a relative import, or undefined for a package. */
export function targetOf(file: SourceFile, from: string): string | undefined {
  if (!from.startsWith('.')) return undefined;
  return relative(root, resolve(root, dirname(file.path), from)).replaceAll('\\', '/');
}

/** Name of the package that `from` imports, or undefined for a relative or a node: import. */
export function packageOf(from: string): string | undefined {
  if (from.startsWith('.') || from.startsWith('node:')) return undefined;
  const parts = from.split('/');
  return from.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0];
}
