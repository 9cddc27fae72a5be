// The folder of PostgreSQL's Unix socket. A socket path has 107 usable bytes (unix(7)), a home may be
// longer; then a short private folder under the system's temporary one stands in.
import { createHash } from 'node:crypto';
import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';

const socketPathBytesMax = 107;
const socketName = '.s.PGSQL.5432.lock';

/**
 * Makes (or reuses) the private socket folder of `home`.
 * @throws PostsealError `home.not-writable` when somebody else owns a folder of that name.
 */
export function prepareRunFolder(home: string): string {
  const inside = join(home, 'run');
  const fits = Buffer.byteLength(join(inside, socketName)) <= socketPathBytesMax;
  const digest = createHash('sha256').update(home).digest('hex').slice(0, 16);
  const folder = fits ? inside : join(tmpdir(), `postseal-${process.getuid?.() ?? 0}-${digest}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  const own = process.getuid?.() ?? found.uid;
  // As root the folder may belong to nobody, the identity that an earlier start gave PostgreSQL.
  const trusted = found.uid === own || (own === 0 && found.uid === 65_534);
  if (!found.isDirectory() || !trusted) {
    throw new PostsealError('home.not-writable', { path: folder, reason: 'foreign-owner' });
  }
  chmodSync(folder, 0o700);
  return folder;
}
