// A home is lost with everything but its token; another one is made of the backup. Every message that was
// acknowledged before the instant that the backup reaches comes back byte for byte. With the default the backup
// reaches every acknowledgement at the latest 60 s after it; here the same loop runs with shipSeconds 1.
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { runningDatabaseUrl } from '../../src/app/home-database.ts';
import { keySocketOf, nodeName } from '../../src/app/node-context.ts';
import { openServices } from '../../src/app/services.ts';
import { findOrganisation } from '../../src/archive/custodians.store.ts';
import type { RecordRef } from '../../src/archive/types.ts';
import type { OrganisationId } from '../../src/kernel/ids.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { loadConfig } from '../../src/platform/config/load-config.ts';
import { openDatabase } from '../../src/platform/postgres/database.ts';
import { createMemoryLog } from '../harness/memory-log.ts';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import {
  type Account,
  createTestHome,
  program,
  type TestHome,
  type TestServer,
} from '../harness/server.ts';
import { until } from '../harness/until.ts';
import { whenAllGone } from './home-processes.ts';
import { RawImap } from './raw-imap.ts';

jest.setTimeout(400_000);

const scratch = mkdtempSync(join(tmpdir(), 'postseal-restore-'));
const target = join(scratch, 'target');
const keys = join(scratch, 'keys');
const backup = { directory: target, shipSeconds: 1 };
const homes: TestHome[] = [];
let lost: TestHome;
let running: TestServer | undefined;
let ann: Account;
/** Digests of what was acknowledged: before the full backup, before the instant, after it. */
const first = new Set<string>();
const second = new Set<string>();
const third = new Set<string>();
/** Erased after the instant, so in no restored home. */
const doomed = new Set<string>();
let instant: Date;

interface Listed {
  readonly kind: string;
  readonly reaches: string;
  readonly tails: number;
}

const sizeIn = (folder: string, name: string): number =>
  statSync(join(folder, 'objects', name)).size;

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function deliver(server: TestServer, count: number, bytes: number, into: Set<string>) {
  const lmtp = await LmtpClient.connect('127.0.0.1', server.ports.lmtp);
  for (let i = 0; i < count; i += 1) {
    const lines = randomBytes(bytes).toString('base64').replace(/.{76}/g, '$&\r\n');
    const message = Buffer.from(`Subject: ${i}\r\n\r\n${lines}\r\n`);
    await lmtp.deliver('a@example.org', ann.name, message);
    into.add(digest(message));
  }
  await lmtp.quit();
}

/** Waits until the backup reaches what has been acknowledged by now. */
async function shipped(): Promise<void> {
  const now = Date.now();
  for (;;) {
    const { code, stdout } = await lost.run(['backup', 'list', '--json']);
    const rows = code === 0 ? (JSON.parse(stdout) as Listed[]) : [];
    const reaches = rows.at(-1)?.reaches;
    if (reaches !== undefined && Date.parse(reaches) > now) return;
    await sleep(200);
  }
}

/** As an erasure that was decided: no command does it yet. */
async function erase({ home }: TestHome, size: readonly [number, number]): Promise<void> {
  const config = loadConfig(join(home, 'test-config.json'), { POSTSEAL_HOME: home });
  const databaseUrl = runningDatabaseUrl(config);
  const database = await openDatabase({ url: databaseUrl, poolMax: 1, name: 'restore test' });
  const organisation = (await findOrganisation(database)) ?? ('' as OrganisationId);
  const keySocket = keySocketOf(home);
  const context = { home, databaseUrl, organisation, node: nodeName(home), keySocket };
  const log = createMemoryLog();
  const services = await openServices({ config, context, log, name: 'eraser', poolMax: 2 });
  try {
    const { rows } = await database.pool.query<Record<'custodian' | 'record' | 'no', string>>(
      `SELECT custodian_id::text AS custodian, record_id::text AS record, record_no AS no
         FROM record WHERE size BETWEEN $1 AND $2`,
      [...size],
    );
    expect(rows).toHaveLength(1);
    for (const { custodian, record, no } of rows) {
      const ref = { custodian, recordId: record, recordNo: Number(no) } as unknown as RecordRef;
      await services.archive.shred(ref, { actor: systemActor });
    }
  } finally {
    await services.close();
    await database.close();
  }
}

/** Waits until a signed checkpoint covers what has been acknowledged by now. */
async function published({ home }: TestHome): Promise<void> {
  const config = loadConfig(join(home, 'test-config.json'), { POSTSEAL_HOME: home });
  const database = await openDatabase({
    ...{ url: runningDatabaseUrl(config), poolMax: 1, name: 'restore test' },
  });
  try {
    const { rows } = await database.pool.query<{ size: string }>(
      `SELECT (SELECT size FROM audit_head) +
              (SELECT coalesce(sum(cardinality(event_ids)), 0) FROM audit_inbox) AS size`,
    );
    const size = Number(rows[0]?.size);
    await until(() => {
      const [, signed] = readFileSync(join(home, 'ledger/checkpoint'), 'utf8').split('\n');
      return Number(signed) >= size;
    });
  } finally {
    await database.close();
  }
}

async function readInbox(server: TestServer): Promise<Set<string>> {
  const client = await RawImap.signedIn(server.ports.imaps, ann);
  await client.ok('EXAMINE INBOX');
  const { untagged } = await client.ok('FETCH 1:* BODY.PEEK[]');
  await client.logout();
  return new Set(untagged.flatMap(({ literals }) => literals.map((bytes) => digest(bytes))));
}

/** A new home that has the token of the lost one and nothing else. */
function newHome(): TestHome {
  const home = createTestHome({ workers: 1 });
  homes.push(home);
  cpSync(keys, join(home.home, 'keys'), { recursive: true });
  return home;
}

/** Reading goes on; nothing comes in, nothing changes, nothing goes. */
async function refusesChange(server: TestServer): Promise<void> {
  await expect(deliver(server, 1, 100, new Set())).rejects.toThrow(/451 4\.3\.2 the archive was/);
  const client = await RawImap.signedIn(server.ports.imaps, ann);
  const selected = await client.ok('SELECT INBOX');
  expect(selected.text).toContain('[READ-ONLY]');
  for (const command of ['STORE 1 +FLAGS (\\Deleted)', 'EXPUNGE']) {
    expect(await client.command(command)).toMatchObject({ status: 'NO' });
  }
  for (const command of ['CREATE Away', 'COPY 1 Trash', 'RENAME Trash Away']) {
    const { status, text } = await client.command(command);
    expect([command, status, text]).toEqual([
      command,
      'NO',
      expect.stringContaining('[UNAVAILABLE]'),
    ]);
  }
  await client.logout();
}

/** In a restored home the passwords are those of the lost one. */
async function login(home: TestHome, person: string): Promise<void> {
  await home.ok(['person', 'login', person, '--password-stdin'], `long-password-of-${person}`);
}

/** Two persons, of whom neither can sign alone, and nobody who may not. */
async function sign(home: TestHome): Promise<void> {
  await login(home, 'sysadmin');
  expect(await home.run(['key', 'rotate'])).toMatchObject({ code: 1 });
  expect(await home.ok(['restore', 'report'])).toMatch(/\nnot signed: /);
  expect(await home.ok(['restore', 'sign'])).toMatch(/^proposed /);
  const alone = await home.run(['restore', 'sign']);
  expect(alone).toMatchObject({ code: 1, stdout: '' });
  await login(home, 'auditadmin');
  expect(await home.ok(['restore', 'sign'])).toMatch(/^signed by two/);
  const again = await home.run(['restore', 'sign']);
  expect(again.stderr).toContain('signed already');
}

beforeAll(async () => {
  lost = createTestHome({ workers: 1, backup });
  homes.push(lost);
  const server = await lost.start();
  running = server;
  await lost.signIn('auditadmin');
  await lost.signIn('sysadmin');
  ann = await lost.createAccount('ann@example.com');
  await deliver(server, 10, 2_000, first);
  // The first one was begun by the server itself.
  await shipped();
  await lost.ok(['backup', 'run', '--full']);
  await deliver(server, 3, 1_500_000, second);
  await deliver(server, 20, 500, second);
  await deliver(server, 1, 40_000, doomed);
  instant = new Date();
  await sleep(1_000);
  await erase(lost, [50_000, 60_000]);
  await deliver(server, 15, 3_000, third);
  await published(lost);
  await shipped();
  await server.kill();
  running = undefined;
  expect(await whenAllGone(lost.home, 30_000)).toEqual([]);
  cpSync(join(lost.home, 'keys'), keys, { recursive: true });
  lost.remove();
});
afterAll(async () => {
  await running?.kill();
  for (const home of homes) home.remove();
  rmSync(scratch, { recursive: true, force: true });
});

test('the backup of a lost home is whole', async () => {
  const home = newHome();
  const verdict = await home.run(['backup', 'verify', '--from', target]);
  expect(verdict.stdout).toMatch(/^checked \d+ sets, \d+ objects, \d+ pieces\nclean\n$/);
  expect(verdict.code).toBe(0);
});

test('a new home has every acknowledged message, and goes on', async () => {
  const home = newHome();
  const restored = await home.run(['restore', '--from', target]);
  expect(restored.stderr).toBe('');
  expect(restored.stdout).toMatch(/^restored \d+ files, .*; 48 contents are whole\n.*\nclean\n$/);
  expect(restored.code).toBe(0);
  const again = await home.run(['restore', '--from', target]);
  expect(again).toMatchObject({ code: 1, stdout: '' });
  expect(again.stderr).toContain('the home that is to be restored holds something already');
  const server = await home.start();
  running = server;
  const all = new Set([...first, ...second, ...third]);
  expect(await readInbox(server)).toEqual(all);
  await refusesChange(server);
  expect(await readInbox(server)).toEqual(all);
  await sign(home);
  const more = new Set<string>();
  await deliver(server, 2, 100, more);
  expect((await readInbox(server)).size).toBe(50);
  expect(existsSync(join(home.home, 'first-run.txt'))).toBe(false);
  expect(await server.stop()).toBe(0);
  expect(await home.ok(['ledger', 'verify'])).toMatch(/\nclean\n$/);
  expect(await home.ok(['scrub'])).toMatch(/\nclean\n$/);
});

test('at an instant: what was acknowledged before it, and nothing after it', async () => {
  const home = newHome();
  const late = await home.run(['restore', '--from', target, '--to', '2100-01-01T00:00:00Z']);
  expect(late).toMatchObject({ code: 1, stdout: '' });
  expect(late.stderr).toContain('the backup does not reach that far');
  const early = await home.run(['restore', '--from', target, '--to', '2000-01-01T00:00:00Z']);
  expect(early.stderr).toContain('there is no backup that can be restored');
  const json = await home.ok([
    'restore',
    '--from',
    target,
    '--to',
    instant.toISOString(),
    '--json',
  ]);
  const restored = JSON.parse(json) as {
    readonly ledgerFrom: number;
    readonly ledgerTo: number;
    readonly newestCheckpoint: number;
    readonly leaves: number;
    readonly lostByOp: Readonly<Record<string, number>>;
    readonly lost: readonly { readonly op: string }[];
    readonly erasedAgain: readonly string[];
    readonly findings: readonly unknown[];
  };
  // The ledger is the one that was signed last, not the one of the instant; what it tells of is listed.
  expect(restored.findings).toEqual([]);
  expect(restored.ledgerFrom).toBeLessThan(restored.ledgerTo);
  expect(restored.ledgerTo).toBe(restored.newestCheckpoint);
  expect(restored.leaves).toBe(restored.newestCheckpoint);
  expect(restored.lostByOp).toMatchObject({ 'mail.received': third.size, 'record.shredded': 1 });
  const received = restored.lost.filter(({ op }) => op === 'mail.received');
  expect(received).toHaveLength(third.size);
  expect(restored.erasedAgain).toHaveLength(1);
  const server = await home.start();
  running = server;
  expect(await readInbox(server)).toEqual(new Set([...first, ...second]));
  expect(await server.stop()).toBe(0);
  expect(await home.ok(['ledger', 'verify'])).toMatch(/\nclean\n$/);
});

test('without the token nothing opens; a flipped byte is found with its place', async () => {
  const bare = createTestHome({ workers: 1 });
  homes.push(bare);
  const refused = await bare.run(['restore', '--from', target]);
  expect(refused.stdout).toBe('');
  expect(refused.code).not.toBe(0);
  expect(readdirSync(bare.home)).toEqual(['test-config.json']);
  const damaged = join(scratch, 'damaged');
  cpSync(target, damaged, { recursive: true });
  const objects = readdirSync(join(damaged, 'objects'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort((a, b) => readFileSync(b).length - readFileSync(a).length);
  const [object = ''] = objects;
  const bytes = readFileSync(object);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  writeFileSync(object, bytes);
  const home = newHome();
  const verdict = await home.run(['backup', 'verify', '--from', damaged]);
  expect(verdict.code).toBe(70);
  expect(verdict.stdout).toContain(`damaged: ${object.split('/').at(-1) ?? ''}: digest`);
  rmSync(object);
  const missing = await home.run(['backup', 'verify', '--from', damaged]);
  expect(missing.code).toBe(70);
  expect(missing.stdout).toContain(`damaged: ${object.split('/').at(-1) ?? ''}: missing`);
  const name = readdirSync(join(damaged, 'sets')).sort().at(-2) ?? '';
  rmSync(join(damaged, 'sets', name));
  const broken = await home.run(['backup', 'verify', '--from', damaged]);
  expect(broken.code).toBe(70);
  expect(broken.stdout).toContain('the set before it is missing');
});

test.each([
  [2, 'the command line is not right', ['--from', target, '--to', 'yesterday']],
  [2, 'the command line is not right', ['--from', target, '--to', '2026-01-31 12:00']],
  [2, 'the command line is not right', []],
  [1, 'there is no backup that can be restored', ['--from', join(scratch, 'nowhere')]],
  [1, 'there is no backup that can be restored', ['--from', import.meta.filename]],
])('%d: %s: restore %j', async (code, told, args) => {
  const home = newHome();
  const refused = await home.run(['restore', ...args]);
  expect(refused).toMatchObject({ code, stdout: '' });
  expect(refused.stderr.split('\n')).toEqual([
    expect.stringContaining(`postseal: error: ${told}`),
    expect.stringContaining('postseal: hint: '),
    '',
  ]);
  expect(readdirSync(home.home).sort()).toEqual(['keys', 'test-config.json']);
});

test('a restore that meets damage leaves nothing; one that was killed is no home and begins anew', async () => {
  const damaged = join(scratch, 'cut');
  cpSync(target, damaged, { recursive: true });
  const [object = ''] = readdirSync(join(damaged, 'objects'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.obj'))
    .sort((a, b) => sizeIn(damaged, b) - sizeIn(damaged, a));
  rmSync(join(damaged, 'objects', object));
  const home = newHome();
  const refused = await home.run(['restore', '--from', damaged]);
  expect(refused).toMatchObject({ code: 70, stdout: '' });
  expect(refused.stderr).toContain('a file of a backup is damaged or missing');
  expect(readdirSync(home.home).sort()).toEqual(['keys', 'test-config.json']);
  const killed = spawn(process.execPath, [program, 'restore', '--from', target], {
    env: home.env,
    stdio: 'ignore',
  });
  const ended = once(killed, 'exit');
  await until(() => existsSync(join(home.home, 'postgres/data/base')));
  killed.kill('SIGKILL');
  await ended;
  const early = await home.run(['serve']);
  expect(early).toMatchObject({ code: 1, stdout: '' });
  expect(early.stderr).toContain('this home was being restored and is not whole');
  expect(await home.ok(['restore', '--from', target])).toMatch(/\nclean\n$/);
});
