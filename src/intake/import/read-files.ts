// Reads single message files (.eml) and Maildir and Maildir++ folders. The flags of a Maildir are in
// its file names, its dates are the files' own.
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';
import { type ImportItem, type LineEnds, normaliseLineEnds } from './import-item.ts';

export interface ReadOptions {
  readonly folder: string;
  readonly lineEnds: LineEnds;
}

async function fileItem(
  path: string,
  key: string,
  flags: readonly string[],
  options: ReadOptions,
): Promise<ImportItem> {
  const [content, { mtimeMs }] = await Promise.all([readFile(path), stat(path)]);
  const bytes = normaliseLineEnds(content, options.lineEnds);
  const internalDate = Math.trunc(mtimeMs);
  return { head: { key, size: bytes.length, folder: options.folder, flags, internalDate }, bytes };
}

/** Every path that is a file, and every `.eml` below a path that is a folder, in name order. */
export async function* readEml(
  paths: readonly string[],
  options: ReadOptions,
): AsyncGenerator<ImportItem> {
  for (const path of paths) {
    if ((await stat(path)).isDirectory()) {
      const inside = (await readdir(path, { recursive: true })).filter((name) =>
        /\.eml$/i.test(name),
      );
      for (const name of inside.sort()) yield await fileItem(join(path, name), name, [], options);
    } else {
      yield await fileItem(path, basename(path), [], options);
    }
  }
}

const infoFlags: Readonly<Record<string, string>> = {
  S: '\\Seen',
  R: '\\Answered',
  F: '\\Flagged',
  T: '\\Deleted',
  D: '\\Draft',
  P: '$Forwarded',
};

/** Flags of the `:2,` suffix of a Maildir file name. */
export function maildirFlags(name: string): string[] {
  const letters = /[:;!]2,([A-Za-z]*)$/.exec(name)?.[1] ?? '';
  return Array.from(letters).flatMap((letter) => infoFlags[letter] ?? []);
}

async function names(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).sort();
  } catch (error) {
    // A Maildir may lack `new` or `cur`; anything else is told.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** The messages of a Maildir and of its Maildir++ subfolders. @throws PostsealError `import.unreadable`. */
export async function* readMaildir(path: string, options: ReadOptions): AsyncGenerator<ImportItem> {
  const parts = await readdir(path);
  if (!parts.includes('cur') && !parts.includes('new')) {
    throw new PostsealError('import.unreadable', { path, reason: 'neither cur nor new below it' });
  }
  yield* readFolder(path, options);
}

/** The folder itself as `options.folder` and each Maildir++ subfolder `.a.b` below it as `a/b`. */
async function* readFolder(path: string, options: ReadOptions): AsyncGenerator<ImportItem> {
  for (const part of ['cur', 'new']) {
    for (const name of await names(join(path, part))) {
      if (name.startsWith('.')) continue;
      yield await fileItem(join(path, part, name), `${part}/${name}`, maildirFlags(name), options);
    }
  }
  for (const name of await names(path)) {
    if (!/^\.[^.]/.test(name)) continue;
    const below = name.slice(1).split('.').join('/');
    const folder = options.folder === 'INBOX' ? below : `${options.folder}/${below}`;
    for await (const item of readFolder(join(path, name), { ...options, folder })) {
      yield { ...item, head: { ...item.head, key: `${name}/${item.head.key}` } };
    }
  }
}
