// Files that are whole or absent after a power cut: temporary file, fsync, rename, fsync of the folder.
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface FileWrite {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Writes all files; when the promise resolves, each is durable under its name. A file that exists is
 * replaced in one step. Two writers of one path are not allowed.
 */
export async function writeDurable(files: readonly FileWrite[]): Promise<void> {
  const folders = new Set<string>();
  for (const { path } of files)
    for (const made of await makeFolder(dirname(path))) folders.add(made);
  await eachOf(files, 8, async ({ path, bytes }) => {
    const temporary = `${path}.new`;
    const file = await open(temporary, 'w', 0o640);
    try {
      await file.writeFile(bytes);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  });
  await eachOf([...folders], 4, syncFolder);
}

/** The folder itself and, of those that did not exist, the parent of the topmost. */
async function makeFolder(path: string): Promise<string[]> {
  const first = await mkdir(path, { recursive: true, mode: 0o750 });
  if (first === undefined) return [path];
  const out = [path];
  for (let at = path; at.length > first.length; at = dirname(at)) out.push(dirname(at));
  return [...out, dirname(first)];
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Runs `run` on every item, `width` at a time. */
async function eachOf<T>(
  items: readonly T[],
  width: number,
  run: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const item = items[next];
      next += 1;
      if (item !== undefined) await run(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
}
