// Puts a stored home up again in a scratch folder, as the version that wrote it left it: its files, and
// a database at its own migrations. The newer migrations are the server's business at its start.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { migrations } from '../../migrations/index.ts';
import { acquireHomeLock } from '../../src/platform/home/lock.ts';
import { migrate } from '../../src/platform/postgres/data-source.ts';
import { startEmbeddedPostgres } from '../../src/platform/postgres/embedded.ts';
import { createTestHome, type TestHome } from '../harness/server.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { loadTables } from './table-copy.ts';

export const passphraseFile = 'test-passphrase';

/** Files of the stored folder that are no files of a home. */
export function isOfTheHome(path: string): boolean {
  return !/^(manifest\.json|database\/)/.test(path);
}

/** The migrations that had been applied; throws if one was taken away or moved. */
function migrationsOf(manifest: Manifest): typeof migrations {
  const first = migrations.slice(0, manifest.migrations.length);
  const names = first.map((migration) => new migration().name ?? migration.name);
  if (names.join() !== manifest.migrations.join()) {
    throw new Error(
      `migrations are only added behind the last one: ${names.join()} is not ${manifest.migrations.join()}`,
    );
  }
  return first;
}

export async function restoreHome(folder: string): Promise<TestHome> {
  const manifest = readManifest(folder);
  const home = createTestHome(manifest.config);
  try {
    writeFileSync(join(home.home, passphraseFile), manifest.testPassphrase, { mode: 0o600 });
    for (const path of Object.keys(manifest.files).filter(isOfTheHome)) {
      cpSync(join(folder, path), join(home.home, path), { recursive: true });
    }
    for (const [path, { of, bytes }] of Object.entries(manifest.beginnings)) {
      const whole = readFileSync(join(folder, of));
      mkdirSync(join(home.home, dirname(path)), { recursive: true });
      writeFileSync(join(home.home, path), whole.subarray(0, bytes));
    }
    await loadDatabase(home.home, folder, manifest);
    return home;
  } catch (error) {
    home.remove();
    throw error;
  }
}

async function loadDatabase(home: string, folder: string, manifest: Manifest): Promise<void> {
  const lock = acquireHomeLock(home);
  try {
    const embedded = await startEmbeddedPostgres({ home });
    try {
      await migrate(embedded.url, migrationsOf(manifest));
      const superuser = new URL(embedded.superuserUrl);
      superuser.pathname = '/postseal';
      await loadTables(superuser.href, folder, manifest);
    } finally {
      await embedded.stop();
    }
  } finally {
    lock.release();
  }
}
