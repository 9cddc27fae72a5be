// Backups of a real server: made by hand and by themselves, sealed, and nothing in them that must not be.
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import { type Account, createTestHome, type TestHome, type TestServer } from '../harness/server.ts';
import { until } from '../harness/until.ts';
import { canaryNeedles, findNeedles } from './canary-needles.ts';

jest.setTimeout(300_000);

const mark = `kq${Math.random().toString(36).slice(2, 10)}zx`;
const target = mkdtempSync(join(tmpdir(), 'postseal-target-'));
let home: TestHome;
let server: TestServer;
let ann: Account;

beforeAll(async () => {
  home = createTestHome({ workers: 1, backup: { directory: target, shipSeconds: 1 } });
  server = await home.start();
  await home.signIn('sysadmin');
  ann = await home.createAccount('ann@example.com');
});
afterAll(async () => {
  await server.stop();
  home.remove();
  rmSync(target, { recursive: true, force: true });
});

const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

async function deliver(subject: string, filler = 0): Promise<void> {
  const lmtp = await LmtpClient.connect('127.0.0.1', server.ports.lmtp);
  const text = `Subject: ${mark}${subject}\r\n\r\n${mark}body\r\n${'x'.repeat(78).concat('\r\n').repeat(filler)}`;
  await lmtp.deliver(`${mark}@example.org`, ann.name, Buffer.from(text));
  await lmtp.quit();
}

test('the first base is made by itself, then tails follow', async () => {
  const sets = join(target, 'sets');
  await until(() => existsSync(sets) && readdirSync(sets).length >= 3);
  expect(readdirSync(sets).every((name) => name.endsWith('.set'))).toBe(true);
});

test('by hand: an incremental one stores less than a full one; both are events', async () => {
  await deliver('one');
  await deliver('two', 40_000);
  const run = async (...args: string[]) =>
    JSON.parse(await home.ok(['backup', 'run', ...args, '--json'])) as {
      kind: string;
      storedBytes: number;
      readBytes: number;
      files: number;
    };
  const incremental = await run();
  const full = await run('--full');
  expect([incremental.kind, full.kind]).toEqual(['incremental', 'full']);
  expect(full.files).toBeGreaterThan(500);
  expect(incremental.storedBytes).toBeLessThan(full.storedBytes);
  await home.signIn('auditadmin');
  for (const op of ['backup.started', 'backup.ended']) {
    const rows = JSON.parse(await home.ok(['ledger', 'query', '--op', op, '--json'])) as {
      outcome: string;
      role: string;
    }[];
    expect(rows.map(({ outcome, role }) => `${outcome} ${role}`)).toEqual([
      'success system',
      'success system-admin',
      'success system-admin',
    ]);
  }
});

test('only a system administrator makes one, and every refusal is recorded', async () => {
  await home.signIn('auditadmin');
  const refused = await home.run(['backup', 'run']);
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toContain('needs=system-admin');
  await home.signIn('sysadmin');
});

test('no word of mail and no key, PIN or password is in the target, and the spool is emptied', async () => {
  const keys = filesOf(join(home.home, 'keys'));
  expect(keys.length).toBeGreaterThan(0);
  const secrets = keys
    .filter((path) => /\.(pin|sealed|object)$/.test(path))
    .map((path) => readFileSync(path))
    .filter((bytes) => bytes.length > 20);
  expect(secrets.length).toBeGreaterThan(0);
  const { application } = JSON.parse(
    readFileSync(join(home.home, 'postgres/credentials.json'), 'utf8'),
  ) as { application: string };
  const needles = [...canaryNeedles(mark), { form: 'password', bytes: Buffer.from(application) }];
  const stored = filesOf(target);
  for (const path of stored) {
    const bytes = readFileSync(path);
    expect([path, ...findNeedles(bytes, needles)]).toEqual([path]);
    expect(secrets.some((secret) => bytes.includes(secret))).toBe(false);
  }
  await until(
    () =>
      readdirSync(join(home.home, 'postgres/archive')).filter((n) => /^\w{24}$/.test(n)).length < 3,
  );
});

test('a drill restores beside the server, finds every record, and leaves nothing behind', async () => {
  const passed = JSON.parse(await home.ok(['drill', '--json'])) as Record<string, number>;
  expect(passed).toMatchObject({ records: 2, different: 0, erasedSince: 0, findings: [] });
  expect(passed['rtoSeconds']).toBeGreaterThan(0);
  expect(readdirSync(home.home).filter((name) => name.startsWith('drill-'))).toEqual([]);
  const [object = ''] = filesOf(join(target, 'objects')).sort(
    (a, b) => readFileSync(b).length - readFileSync(a).length,
  );
  renameSync(object, `${object}.away`);
  const failed = await home.run(['drill']);
  renameSync(`${object}.away`, object);
  expect(failed.code).toBe(70);
  expect(failed.stderr).toContain('a file of a backup is damaged or missing');
  expect(readdirSync(home.home).filter((name) => name.startsWith('drill-'))).toEqual([]);
  await home.signIn('auditadmin');
  const rows = JSON.parse(
    await home.ok(['ledger', 'query', '--op', 'backup.drilled', '--json']),
  ) as { outcome: string }[];
  expect(rows.map(({ outcome }) => outcome).sort()).toEqual(['failure', 'success']);
  await home.signIn('sysadmin');
});

test('a home without a place for backups says so', async () => {
  const bare = createTestHome({ workers: 1 });
  const running = await bare.start();
  try {
    await bare.signIn('sysadmin');
    const refused = await bare.run(['backup', 'run']);
    expect(refused).toMatchObject({ code: 78, stdout: '' });
    expect(refused.stderr).toMatch(
      /has no place for backups\npostseal: hint: set backup\.directory/,
    );
  } finally {
    await running.stop();
    bare.remove();
  }
  const inside = createTestHome({ backup: { directory: 'in-the-home' } });
  const told = await inside.run(['config', 'check']);
  expect(told).toMatchObject({ code: 78 });
  expect(told.stderr).toContain('/backup/directory=lies in the home');
  inside.remove();
});
