// The folder of PostgreSQL's Unix socket. A socket path has 107 usable bytes (unix(7)), a home may be
// longer; then a short private folder under the system's temporary one stands in.
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync, type Stats } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';

const socketPathBytesMax = 107;
const socketName = '.s.PGSQL.5432.lock';

function runFolder(home: string): string {
  const inside = join(home, 'run');
  const fits = Buffer.byteLength(join(inside, socketName)) <= socketPathBytesMax;
  const digest = createHash('sha256').update(home).digest('hex').slice(0, 16);
  return fits ? inside : join(tmpdir(), `postseal-${process.getuid?.() ?? 0}-${digest}`);
}

function checkOwner(folder: string, found: Stats): void {
  const own = process.getuid?.() ?? found.uid;
  // As root the folder may belong to nobody, the identity that an earlier start gave PostgreSQL.
  const trusted = found.uid === own || (own === 0 && found.uid === 65_534);
  if (!found.isDirectory() || !trusted) {
    throw new PostsealError('home.not-writable', { path: folder, reason: 'foreign-owner' });
  }
}

/**
 * Makes (or reuses) the private socket folder of `home`.
 * @throws PostsealError `home.not-writable` when somebody else owns a folder of that name.
 */
export function prepareRunFolder(home: string): string {
  const folder = runFolder(home);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  checkOwner(folder, lstatSync(folder));
  chmodSync(folder, 0o700);
  return folder;
}

/**
 * Where the socket folder of `home` is, for a client: makes nothing, so that a home which is misspelt does not
 * come into being. @throws PostsealError `home.not-writable` as above: its sockets would be somebody else's.
 */
export function findRunFolder(home: string): string {
  const folder = runFolder(home);
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found !== undefined) checkOwner(folder, found);
  return folder;
}
