// A process that owns a home and its PostgreSQL until it is told to stop, so that tests can kill it.
// Prints one JSON line an event; any line on standard input stops it cleanly.
import { mkdirSync } from 'node:fs';
import { PostsealError } from '../../src/kernel/errors.ts';
import { acquireHomeLock } from '../../src/platform/home/lock.ts';
import { startEmbeddedPostgres } from '../../src/platform/postgres/embedded.ts';

const [home = ''] = process.argv.slice(2);
const say = (value: unknown): boolean => process.stdout.write(`${JSON.stringify(value)}\n`);

try {
  mkdirSync(home, { recursive: true });
  const lock = acquireHomeLock(home);
  const server = await startEmbeddedPostgres({ home });
  say({ kind: 'up', url: server.url, pid: server.pid(), recovered: lock.recovered });
  process.stdin.once('data', () => {
    void server.stop().then(() => {
      lock.release();
      process.exit(0);
    });
  });
} catch (error) {
  say({ kind: 'failed', code: error instanceof PostsealError ? error.code : String(error) });
  process.exit(1);
}
