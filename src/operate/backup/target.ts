// Where the files of a backup lie in its target folder: docs/formats/backup.md.
import { access, mkdir, open, readdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';

const setFile = /^\d{8}T\d{9}Z-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.set$/;

const keysFile = /^\d{8}T\d{9}Z-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.keys$/;

export function setPath(target: string, set: string, createdAt: Date): string {
  return stampedPath(join(target, 'sets'), createdAt, `${set}.set`);
}

/** The order of such names is that of their times. */
export function stampedPath(folder: string, at: Date, name: string): string {
  return join(folder, `${at.toISOString().replace(/[-:.]/g, '')}-${name}`);
}

/** When a set was begun, by its name; undefined for another file. */
export function stampOf(path: string): Date | undefined {
  const stamp = /(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z-[^/]*$/.exec(path);
  if (stamp === null) return undefined;
  const [, year, month, day, hour, minute, second, ms] = stamp;
  return new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}Z`);
}

export function objectPath(target: string, object: string): string {
  return join(target, 'objects', object.slice(0, 2), `${object}.obj`);
}

export interface SetFile {
  readonly set: string;
  readonly path: string;
}

/** Set files by name, which is the order of their making. Empty where there is no such folder. */
export function listSetFiles(target: string): Promise<readonly SetFile[]> {
  return listFiles(join(target, 'sets'), setFile);
}

/** Files of the key state by name, which is the order of their making. */
export function listKeyFiles(target: string): Promise<readonly SetFile[]> {
  return listFiles(join(target, 'keys'), keysFile);
}

async function listFiles(folder: string, pattern: RegExp): Promise<readonly SetFile[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    return targetFailed(error);
  });
  return names.sort().flatMap((name) => {
    const set = pattern.exec(name)?.[1];
    return set === undefined ? [] : [{ set, path: join(folder, name) }];
  });
}

/**
 * Whether the set at `path` is in its target still; false in one that was exchanged, which has a folder of sets.
 * @throws PostsealError `backup.target-failed` where it cannot be told: an empty mount point looks like an emptied
 * target, and what is written there fills the disk of the home.
 */
export async function hasSet(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    await access(dirname(path)).catch(targetFailed);
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    return targetFailed(error);
  }
}

/** The target is another disk, whose failures are not the home's. */
export function targetFailed(error: unknown): never {
  const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
  throw new PostsealError('backup.target-failed', { reason }, error);
}

/** Makes the folder of `path` and lets its name outlive a power cut. */
export async function ensureFolderOf(path: string): Promise<void> {
  const folder = dirname(path);
  const first = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let at = folder; at.length >= dirname(first).length; at = dirname(at)) await syncFolder(at);
}

/** Gives a finished and synced file its name, for good when it returns. */
export async function publish(draft: string, path: string): Promise<void> {
  await rename(draft, path);
  await syncFolder(dirname(path));
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
