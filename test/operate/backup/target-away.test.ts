// The target goes away and comes back: nothing is written where it was, and what waits in the home has a bound.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import type { EventId, OrganisationId } from '../../../src/kernel/ids.ts';
import { Secret } from '../../../src/kernel/secret.ts';
import { systemActor } from '../../../src/ledger/event/draft.ts';
import { createBackupKeys } from '../../../src/operate/backup/backup-keys.ts';
import { type Backups, openBackups } from '../../../src/operate/backup/backups.ts';
import { archiveSettings, walSpool } from '../../../src/platform/postgres/archiving.ts';
import { clusterFiles } from '../../../src/platform/postgres/cluster.ts';
import { type Database, openDatabase } from '../../../src/platform/postgres/database.ts';
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../../src/platform/postgres/embedded.ts';
import { openKeyfileStore } from '../../../src/vault/keyfile/keyfile-store.ts';
import { createMemoryLog } from '../../harness/memory-log.ts';

jest.setTimeout(180_000);

const root = mkdtempSync(join(tmpdir(), 'postseal-away-'));
const home = join(root, 'home');
const target = join(root, 'target');
const away = join(root, 'away');
const organisation = '01980000-0000-7000-8000-000000000001' as OrganisationId;
const bases: string[] = [];
const alerts: string[] = [];
let server: EmbeddedPostgres;
let database: Database;

async function until(look: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1200; tries += 1) {
    if (look()) return;
    await sleep(50);
  }
  throw new Error(`it never came: ${look.toString()}`);
}

const sets = (): number =>
  existsSync(join(target, 'sets')) ? readdirSync(join(target, 'sets')).length : 0;
const waiting = (): string[] => readdirSync(walSpool(home)).filter((n) => /^[0-9A-F]{24}$/.test(n));

function open(spoolBytesMax: number): Promise<Backups> {
  return openBackups({
    ...{ home, target, organisation, shipSeconds: 1, node: 'n', version: '0', spoolBytesMax },
    embedded: {
      superuserUrl: server.superuserUrl,
      data: clusterFiles(home).data,
      spool: walSpool(home),
    },
    committer: {
      record({ op, fields }) {
        if (op === 'backup.started') bases.push(fields?.['kind'] as string);
        return Promise.resolve('' as EventId);
      },
    },
    keyGeneration: () => Promise.resolve(null),
    openKeys: async () =>
      createBackupKeys(
        await openKeyfileStore({
          path: join(root, 'backup.sealed'),
          passphrase: Secret.fromText('a passphrase for tests'),
          organisationId: organisation,
        }),
        organisation,
      ),
    now: () => new Date(),
    log: createMemoryLog(),
    alerts: {
      raise: ({ code, fields }) => void alerts.push(`${code} ${String(fields?.['cause'])}`),
    },
  });
}

async function writeSegment(): Promise<void> {
  await database.pool.query('CREATE TABLE IF NOT EXISTS acknowledged (n int)');
  await database.pool.query('INSERT INTO acknowledged VALUES (1)');
  await database.pool.query('SELECT pg_switch_wal()');
}

beforeAll(async () => {
  mkdirSync(home);
  server = await startEmbeddedPostgres({ home, settings: archiveSettings(home) });
  database = await openDatabase({ url: server.superuserUrl, poolMax: 1, name: 'away test' });
});
afterAll(async () => {
  await database.close();
  await server.stop();
  rmSync(root, { recursive: true, force: true });
});

test('an empty mount point gets nothing; the line goes on when the target is back', async () => {
  const backups = await open(1_073_741_824);
  backups.start();
  try {
    await until(() => bases.length === 1 && sets() > 1);
    renameSync(target, away);
    mkdirSync(target);
    await until(() => alerts.length > 1);
    for (const kind of ['full', 'incremental'] as const) {
      const run = backups.run(kind, systemActor, () => undefined);
      await expect(run).rejects.toMatchObject({ code: 'backup.target-failed' });
    }
    expect(readdirSync(target)).toEqual([]);
    await writeSegment();
    await until(() => waiting().length > 0);
    rmdirSync(target);
    renameSync(away, target);
    const before = sets();
    await until(() => sets() > before && waiting().length === 0);
    expect(bases).toEqual(['full']);
    expect(new Set(alerts)).toEqual(new Set(['backup.behind backup.target-failed']));
  } finally {
    await backups.stop();
  }
});

test('what waits beyond the bound is dropped, and a base follows', async () => {
  const backups = await open(0);
  const before = bases.length;
  backups.start();
  try {
    await until(() => waiting().length === 0);
    renameSync(target, away);
    await writeSegment();
    await until(() => waiting().length > 0);
    await until(() => waiting().length === 0);
    expect(bases).toHaveLength(before);
    renameSync(away, target);
    await until(() => bases.length > before);
    expect(bases.at(-1)).toBe('full');
  } finally {
    await backups.stop();
  }
});
