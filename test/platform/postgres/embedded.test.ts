// The embedded server as an operator meets it: started, killed in every way, found again, left clean.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import { acquireHomeLock, homeLockHolder } from '../../../src/platform/home/lock.ts';
import { identifyProcess } from '../../../src/platform/home/process-identity.ts';
import { startEmbeddedPostgres } from '../../../src/platform/postgres/embedded.ts';
import type { EmbeddedEvent } from '../../../src/platform/postgres/embedded.ts';
import { findRunFolder, prepareRunFolder } from '../../../src/platform/postgres/run-folder.ts';
import { processesIn } from '../../../src/platform/postgres/survivors.ts';

// Real servers start and stop here, on machines that may be busy.
jest.setTimeout(120_000);

const root = mkdtempSync(join(tmpdir(), 'postseal-embedded-'));
const dataOf = (home: string): string => join(home, 'postgres', 'data');
const newHome = (name: string): string => {
  const home = join(root, name);
  mkdirSync(home, { recursive: true });
  return home;
};
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function query<T extends pg.QueryResultRow>(url: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await what()) return;
    await sleep(50);
  }
  throw new Error(`never became true: ${what.toString()}`);
}

interface ChildReport {
  readonly kind: 'up' | 'failed';
  readonly url: string;
  readonly pid: number;
  readonly recovered: boolean;
  readonly code: string;
}

function startChild(home: string): { child: ChildProcess; report: Promise<ChildReport> } {
  const script = join(import.meta.dirname, '../../harness/embedded-child.ts');
  const child = spawn(process.execPath, [script, home], { stdio: ['pipe', 'pipe', 'inherit'] });
  const report = new Promise<ChildReport>((resolve) => {
    createInterface({ input: child.stdout }).once('line', (line) =>
      resolve(JSON.parse(line) as ChildReport),
    );
  });
  return { child, report };
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once('exit', (code) => resolve(code)));

describe('startEmbeddedPostgres', () => {
  test('is durable and private, restarts after kill -9, and leaves nothing behind', async () => {
    const home = newHome('one');
    const events: EmbeddedEvent[] = [];
    const server = await startEmbeddedPostgres({ home, onEvent: (event) => events.push(event) });
    const [settings] = await query(
      server.url,
      `SELECT current_setting('fsync') AS fsync, current_setting('data_checksums') AS checksums,
              current_setting('listen_addresses') AS tcp, current_setting('synchronous_commit') AS commit,
              (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS super`,
    );
    expect(settings).toEqual({ fsync: 'on', checksums: 'on', tcp: '', commit: 'on', super: false });
    for (const secret of ['credentials.json']) {
      expect(statSync(join(home, 'postgres', secret)).mode & 0o777).toBe(0o600);
    }
    expect(statSync(server.socketFolder).mode & 0o777).toBe(0o700);
    const withoutPassword = new URL(server.url);
    withoutPassword.password = '';
    await expect(query(withoutPassword.href, 'SELECT 1')).rejects.toThrow();

    await query(server.url, 'CREATE TABLE kept AS SELECT 42 AS n');
    const first = server.pid() ?? 0;
    process.kill(first, 'SIGKILL');
    await until(() => events.filter(({ kind }) => kind === 'started').length === 2);
    expect(events.map(({ kind }) => kind)).toEqual(['created', 'started', 'died', 'started']);
    expect(server.pid()).not.toBe(first);
    expect(await query(server.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);

    await server.stop();
    expect(processesIn(dataOf(home))).toEqual([]);
    expect(existsSync(join(dataOf(home), 'postmaster.pid'))).toBe(false);
    expect(readFileSync(join(home, 'log', 'postgres.log'), 'utf8')).toContain(
      'database system is shut down',
    );
  });

  test('a stale postmaster.pid with a number that now belongs to somebody else is no obstacle', async () => {
    const home = newHome('one');
    writeFileSync(
      join(dataOf(home), 'postmaster.pid'),
      `${process.pid}\n${dataOf(home)}\n0\n5432\n\n\n1 1\nready\n`,
    );
    const server = await startEmbeddedPostgres({ home });
    expect(await query(server.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
    await server.stop();
  });

  test('a torn first start is repeated', async () => {
    const home = newHome('torn');
    mkdirSync(join(home, 'postgres', 'data.new'), { recursive: true });
    writeFileSync(join(home, 'postgres', 'data.new', 'PG_VERSION'), '18\n');
    const server = await startEmbeddedPostgres({ home });
    expect(await query(server.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await server.stop();
  });

  test('a cluster that cannot start is one clear error and leaves nothing behind', async () => {
    const home = newHome('one');
    const starting = startEmbeddedPostgres({ home, settings: { shared_buffers: 'nonsense' } });
    await expect(starting).rejects.toMatchObject({ code: 'database.embedded-failed' });
    expect(processesIn(dataOf(home))).toEqual([]);
  });

  const asRoot = process.getuid?.() === 0;
  (asRoot ? test : test.skip)(
    'as root without user namespaces, setpriv reaches a home below a 0700 folder, and back [needs root]',
    async () => {
      const home = newHome('one');
      // The files change owner on the way there and back; the way back is this machine's own choice.
      for (const more of [{ launcher: 'setpriv' as const }, {}]) {
        const server = await startEmbeddedPostgres({ home, ...more });
        if (more.launcher !== undefined) expect(server.launcher).toBe(more.launcher);
        expect(await query(server.url, 'SELECT n FROM kept')).toEqual([{ n: 42 }]);
        await server.stop();
      }
    },
  );
});

describe('kill -9 of the owner', () => {
  test('takes PostgreSQL along; the next start finds the committed row and recovers the lock', async () => {
    const home = newHome('two');
    const first = startChild(home);
    const up = await first.report;
    expect(up).toMatchObject({ kind: 'up', recovered: false });
    await query(up.url, 'CREATE TABLE kept AS SELECT 7 AS n');

    const second = startChild(home);
    expect(await second.report).toEqual({ kind: 'failed', code: 'home.locked' });
    expect(await ended(second.child)).toBe(1);

    const gone = ended(first.child);
    first.child.kill('SIGKILL');
    await gone;
    const third = startChild(home);
    const again = await third.report;
    expect(again).toMatchObject({ kind: 'up', recovered: true });
    expect(identifyProcess(up.pid)).toBeUndefined();
    expect(await query(again.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);

    const killed = ended(third.child);
    third.child.kill('SIGKILL');
    await killed;
    await until(() => processesIn(dataOf(home)).length === 0);
  });

  test('a clean stop releases the home', async () => {
    const home = newHome('two');
    const { child, report } = startChild(home);
    await report;
    const end = ended(child);
    child.stdin?.write('stop\n');
    expect(await end).toBe(0);
    expect(homeLockHolder(home)).toBeUndefined();
    expect(processesIn(dataOf(home))).toEqual([]);
  });
});

describe('acquireHomeLock', () => {
  test('refuses a second holder, frees on release, and takes over from a reused number', () => {
    const home = newHome('three');
    const lock = acquireHomeLock(home);
    expect(() => acquireHomeLock(home)).toThrow(expect.objectContaining({ code: 'home.locked' }));
    expect(homeLockHolder(home)?.pid).toBe(process.pid);
    lock.release();
    const reused = { ...identifyProcess(process.pid), startTicks: 1 };
    for (const stale of [JSON.stringify(reused), '', '{"pid":"x"}', 'null']) {
      writeFileSync(join(home, 'lock'), stale);
      const taken = acquireHomeLock(home);
      expect(taken.recovered).toBe(true);
      taken.release();
    }
    expect(existsSync(join(home, 'lock'))).toBe(false);
  });

  test('says home.not-writable where there is no home', () => {
    expect(() => acquireHomeLock(join(root, 'absent'))).toThrow(
      expect.objectContaining({ code: 'home.not-writable' }),
    );
  });
});

describe('prepareRunFolder', () => {
  test('keeps the socket in the home, or in a short private folder when the path is too long', () => {
    const short = newHome('four');
    expect(findRunFolder(short)).toBe(join(short, 'run'));
    expect(existsSync(join(short, 'run'))).toBe(false);
    expect(prepareRunFolder(short)).toBe(join(short, 'run'));
    const folder = prepareRunFolder(join(root, 'x'.repeat(120)));
    expect(folder.startsWith(tmpdir())).toBe(true);
    expect(folder.length).toBeLessThan(90);
    expect(findRunFolder(join(root, 'x'.repeat(120)))).toBe(folder);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    rmSync(folder, { recursive: true });
  });

  test('a place that is no folder of ours is refused by server and client', () => {
    const home = newHome('five');
    symlinkSync('/', join(home, 'run'));
    for (const find of [prepareRunFolder, findRunFolder]) {
      expect(() => find(home)).toThrow(expect.objectContaining({ code: 'home.not-writable' }));
    }
  });
});
