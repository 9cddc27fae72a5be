// The folder that becomes a home: what may be in it before, what tells that it is not whole yet, and how it is
// emptied again, so that a restore that failed or was killed can simply be begun anew.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';
import { writeDurable } from '../../ledger/tiles/durable-file.ts';
import { clusterFiles } from '../../platform/postgres/cluster.ts';
import { clearSurvivors } from '../../platform/postgres/survivors.ts';

/** Lies in a home from before its first restored byte until after the last. */
const mark = 'restoring';
/** May be in a home before it is restored: its token, and a configuration. */
const mayBeThere = /^(keys|lock|[^/]+\.json)$/;
/** What recovery itself writes, and a little to live on. */
const spareBytes = 268_435_456;

function restoredNames(home: string): string[] {
  if (!existsSync(home)) return [];
  return readdirSync(home).filter((name) => !mayBeThere.test(name) || name === 'key-store.json');
}

/** @throws PostsealError `restore.unfinished`: such a home is no archive yet. */
export function refuseUnfinished(home: string): void {
  if (existsSync(join(home, mark))) throw new PostsealError('restore.unfinished', { home });
}

/** What an earlier restore left half done does not count. @throws PostsealError `restore.not-empty`. */
export function refuseUsedHome(home: string): void {
  const found = restoredNames(home);
  if (found.includes(mark)) return;
  const [first] = found;
  if (first !== undefined) throw new PostsealError('restore.not-empty', { home, found: first });
}

/**
 * Empties what an earlier restore left, and marks the home, whose lock must be held.
 * @throws PostsealError `restore.not-empty`.
 */
export async function beginRestore(home: string): Promise<void> {
  refuseUsedHome(home);
  await writeDurable([{ path: join(home, mark), bytes: Buffer.from('') }]);
  await clearSurvivors(clusterFiles(home).data);
  emptyAgain(home);
}

/** From here on it is a home. */
export function endRestore(home: string): void {
  rmSync(join(home, mark));
}

/** Takes away what was restored; the mark stays. */
export function emptyAgain(home: string): void {
  for (const name of restoredNames(home)) {
    if (name !== mark) rmSync(join(home, name), { recursive: true, force: true });
  }
}

/** @throws PostsealError `home.disk-full`, before anything is written. */
export async function refuseSmallDisk(home: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(home);
  const free = bavail * bsize;
  if (free >= bytes + spareBytes) return;
  throw new PostsealError('home.disk-full', { home, free, needed: bytes + spareBytes });
}
