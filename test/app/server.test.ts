// A real server as a whole, by its doors: the API through the command line with every result as JSON, metrics
// added up over workers, its own jobs, IMAP sessions seen and ended, scripts that sign in anew, and Ctrl-C.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';
import { runningDatabaseUrl } from '../../src/app/home-database.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import { createAlertBus } from '../../src/platform/alerts/alert-bus.ts';
import { loadConfig } from '../../src/platform/config/load-config.ts';
import { createJobQueue } from '../../src/platform/jobs/job-queue.ts';
import { openDatabase } from '../../src/platform/postgres/database.ts';
import { createMemoryLog } from '../harness/memory-log.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { type Account, createTestHome, type TestHome, type TestServer } from '../harness/server.ts';
import { until } from '../harness/until.ts';

jest.setTimeout(180_000);

let home: TestHome;
let server: TestServer;
let ann: Account;
/** In an outside server, when the run has one. */
let outside: TestDatabase | undefined;
beforeAll(async () => {
  if (process.env['DATABASE_URL'] !== undefined) {
    outside = await startTestDatabase({ migrated: false });
  }
  home = createTestHome({ workers: 2 }, outside?.url);
  server = await home.start();
  await home.signIn('sysadmin');
  ann = await home.createAccount('ann@example.com');
});
afterAll(async () => {
  await server.stop();
  home.remove();
  await outside?.drop();
});

const json = async (...args: string[]): Promise<unknown> =>
  JSON.parse(await home.ok([...args, '--json'])) as unknown;

function client(): ImapFlow {
  return new ImapFlow({
    host: '127.0.0.1',
    port: server.ports.imaps,
    secure: true,
    auth: { user: ann.name, pass: ann.password },
    tls: { rejectUnauthorized: false },
    logger: false,
  });
}

const get = async (path: string): Promise<string> =>
  (await fetch(`http://127.0.0.1:${String(server.ports.metrics)}${path}`)).text();

/** The sum of a metric's samples, of the workers or of the primary. */
async function metric(name: string, of: 'workers' | 'primary'): Promise<number | undefined> {
  const lines = (await get('/metrics')).split('\n').filter((line) => /^\w/.exec(line) !== null);
  const found = lines.filter(
    (line) =>
      line.split(/[ {]/)[0] === name && line.includes('process="primary"') === (of === 'primary'),
  );
  if (found.length === 0) return undefined;
  return found.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

test('what lists and shows is JSON, a list as an array and one thing as an object', async () => {
  expect(await json('account', 'list')).toMatchObject([{ name: ann.name, state: 'active' }]);
  expect(await json('account', 'show', ann.name)).toMatchObject({ name: ann.name });
  expect(await json('account', 'alias', ann.name, 'a@example.com')).toMatchObject({
    address: 'a@example.com',
  });
  await home.ok(['account', 'alias', ann.name, 'gone@example.com']);
  await home.ok(['account', 'alias', ann.name, 'gone@example.com', '--remove']);
  expect(await json('account', 'aliases', ann.name)).toEqual([
    { name: ann.name, address: 'a@example.com' },
  ]);
  const status = (await json('key', 'status')) as { tokenClass: string; token: string };
  expect(status).toMatchObject({ available: true, tokenClass: expect.stringMatching(/^software/) });
  expect(await json('person', 'list')).toHaveLength(3);
  expect(await json('approval', 'list')).toEqual([]);
  expect(await json('session', 'list')).toBeInstanceOf(Array);
  const checks = (await json('doctor')) as { name: string; text: string }[];
  // What the token says of itself, not what was configured.
  expect(checks.find(({ name }) => name === 'token')?.text).toContain(
    `class ${status.tokenClass} (${status.token}; profile `,
  );
});

test('health and readiness name their checks', async () => {
  expect(JSON.parse(await get('/readyz'))).toEqual({
    ok: true,
    checks: { database: 'ok', keys: 'ok', ledger: 'ok' },
  });
  expect(JSON.parse(await get('/healthz'))).toMatchObject({ ok: true });
});

describe('IMAP sessions', () => {
  interface Shown {
    readonly id: string;
    readonly state: string;
    readonly account: string | null;
    readonly ledgerSession: string | null;
    readonly commands: unknown;
  }
  const open = async (): Promise<Shown[]> =>
    ((await json('session', 'list')) as Shown[]).filter(({ state }) => state !== 'closed');

  test('are listed, shown without arguments, and kicked', async () => {
    const imap = client();
    const closed = new Promise<void>((resolve) => imap.once('close', resolve));
    imap.on('error', () => undefined);
    await imap.connect();
    await imap.mailboxOpen('INBOX');
    const [session] = await open();
    if (session === undefined) throw new Error('no session is listed');
    const { id: account } = (await json('account', 'show', ann.name)) as { id: string };
    expect(session.account).toBe(account);
    const shown = await home.ok(['session', 'show', session.id, '--json']);
    const { commands } = JSON.parse(shown) as {
      commands: { name: string; durationMs: number }[];
    };
    expect(commands.map(({ name }) => name.toUpperCase())).toEqual(
      expect.arrayContaining(['SELECT']),
    );
    for (const { durationMs } of commands) expect(String(durationMs)).toMatch(/^\d+(\.\d)?$/);
    expect(shown).not.toContain(ann.password);
    expect(shown).not.toContain('INBOX');
    expect(await home.ok(['session', 'show', session.id])).toContain('SELECT');
    expect(await json('session', 'kick', session.id)).toEqual({ id: session.id, ended: true });
    await closed;
    const again = await home.run(['session', 'kick', session.id]);
    expect(again).toMatchObject({ code: 1, stdout: '' });
    // What the session did and who ended it are found by the same number, and by the account.
    await home.signIn('auditadmin');
    const connection = `ses:${session.id}`;
    for (const object of [`ses:${String(session.ledgerSession)}`, connection, `acc:${account}`]) {
      const found = await until(async () => {
        const events = await json('ledger', 'query', '--object', object);
        const ops = (events as { op: string }[]).map(({ op }) => op);
        return ops.includes('session.kicked') ? ops : undefined;
      });
      expect(found.includes('session.signed-in')).toBe(object !== connection);
    }
    await home.signIn('sysadmin');
  });

  test('end when the account gets a new password, in whatever worker they are', async () => {
    const imaps = [client(), client(), client()];
    const closed = imaps.map((imap) => {
      imap.on('error', () => undefined);
      return new Promise<void>((resolve) => imap.once('close', resolve));
    });
    for (const imap of imaps) await imap.connect();
    expect(await metric('postseal_workers', 'primary')).toBe(2);
    expect(
      await until(async () => {
        const connections = await metric('postseal_imap_connections', 'workers');
        return connections === 3 ? connections : undefined;
      }),
    ).toBe(3);
    const asked = (await json('account', 'password', ann.name)) as { proposed: { id: string } };
    const { id } = asked.proposed;
    const set = ['account', 'password', ann.name, '--approval', id, '--password-stdin'];
    expect(await home.run(set, ann.password)).toMatchObject({ code: 1 });
    await home.signIn('secadmin');
    await home.ok(['approval', 'grant', id]);
    await home.signIn('sysadmin');
    expect(await open()).toHaveLength(3);
    await home.ok(set, ann.password);
    await Promise.all(closed);
    expect(await open()).toEqual([]);
  });
});

test('a locked account is unlocked in all workers', async () => {
  const tryIn = async (pass: string): Promise<boolean> => {
    const imap = new ImapFlow({
      host: '127.0.0.1',
      port: server.ports.imaps,
      secure: true,
      auth: { user: ann.name, pass },
      tls: { rejectUnauthorized: false },
      logger: false,
    });
    imap.on('error', () => undefined);
    try {
      await imap.connect();
      await imap.logout();
      return true;
    } catch {
      // What the server answered is the same for every reason.
      return false;
    }
  };
  for (let i = 0; i < 3; i += 1) expect(await tryIn('not the password')).toBe(false);
  expect([await tryIn(ann.password), await tryIn(ann.password)]).toEqual([false, false]);
  expect(await json('account', 'unlock', ann.name)).toMatchObject({ unlocked: true });
  expect([await tryIn(ann.password), await tryIn(ann.password)]).toEqual([true, true]);
  expect(await json('account', 'unlock', ann.name)).toMatchObject({ unlocked: false });
});

test('deliveries are counted by outcome over all workers', async () => {
  const transport = createTransport({
    host: '127.0.0.1',
    port: server.ports.lmtp,
    lmtp: true,
    secure: false,
    ignoreTLS: true,
  });
  for (let i = 0; i < 4; i += 1) {
    const envelope = { from: 'a@example.org', to: [ann.name] };
    await transport.sendMail({ envelope, raw: `Subject: ${String(i)}\r\n\r\nhello\r\n` });
  }
  transport.close();
  expect(await metric('postseal_deliveries_total', 'workers')).toBe(4);
  expect(await get('/metrics')).toContain('postseal_deliveries_total{outcome="stored"} 4');
  expect(await metric('postseal_key_service_available', 'primary')).toBe(1);
  expect(await metric('postseal_ledger_inbox_age_seconds', 'primary')).toBeGreaterThanOrEqual(0);
});

/** As many as fill a metadata page of one account (docs/formats/archive-rows.md "Fold"). */
async function deliverPage(): Promise<void> {
  const transport = createTransport({
    host: '127.0.0.1',
    port: server.ports.lmtp,
    lmtp: true,
    secure: false,
    ignoreTLS: true,
  });
  for (let i = 0; i < 64; i += 1) {
    const envelope = { from: 'a@example.org', to: [ann.name] };
    await transport.sendMail({ envelope, raw: `Subject: p${String(i)}\r\n\r\nhello\r\n` });
  }
  transport.close();
}

test('the node verifies its own ledger, scrubs, folds and watches; each is an event, and all is clean', async () => {
  await deliverPage();
  const config = loadConfig(undefined, home.env);
  const database = await openDatabase({ url: runningDatabaseUrl(config), poolMax: 1 });
  const log = createMemoryLog();
  const alerts = createAlertBus({ log, now: () => Date.now() as UnixMs });
  const queue = createJobQueue({ database, log, alerts });
  const names = ['ledger.verify-self', 'archive.scrub', 'archive.fold-metadata', 'home.watch'];
  try {
    await queue.start();
    for (const name of names) await queue.send(name, {});
    await until(async () => {
      const { rows } = await database.pool.query<{ state: string }>(
        'SELECT state FROM pgboss.job WHERE name = ANY ($1)',
        [names],
      );
      return rows.length >= 4 && rows.every(({ state }) => state === 'completed')
        ? true
        : undefined;
    });
  } finally {
    await queue.stop();
    await database.close();
  }
  const scrubbed = await home.ok(['scrub']);
  expect(scrubbed).toMatch(/ [1-9]\d* metadata pages, /);
  expect(scrubbed).toMatch(/\nclean\n$/);
  await home.signIn('auditadmin');
  for (const op of ['ledger.verified', 'scrub.run']) {
    const events = await until(async () => {
      const rows = (await json('ledger', 'query', '--op', op)) as { outcome: string }[];
      return rows.length > 0 ? rows : undefined;
    });
    expect(events.map(({ outcome }) => outcome)).toEqual(['success']);
  }
  const log1 = readFileSync(join(home.home, 'log', 'postseal.log'), 'utf8');
  expect(log1).not.toContain('alert.state.raised');
});

test('questions to the ledger that make no sense are told in words', async () => {
  await home.signIn('auditadmin');
  const asked = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await home.run(['ledger', ...args]);
    expect(stdout).toBe('');
    return `${String(code)} ${stderr.split('\n')[0] ?? ''}`;
  };
  const usage = '2 postseal: error: the command line is not right';
  expect(await asked('query', '--limit', '0')).toBe(
    `${usage} (at=/limit, finding=must be a whole number from 1 to 1000)`,
  );
  expect(await asked('query', '--outcome', 'lost')).toBe(
    `${usage} (at=/outcome, finding=must be one of success, failure, denied)`,
  );
  expect(await asked('query', '--op', 'import.over')).toBe(
    `${usage} (op=import.over, finding=must be one of import.ended, import.started)`,
  );
  expect(await asked('query', '--op', 'nonsense')).toMatch(/must be one of access\.…,.* mail\.…/);
  expect(await asked('proof', 'last')).toBe(`${usage} (at=/seq, finding=must be a whole number)`);
  expect(await asked('proof', '999999999')).toMatch(
    /^1 .*the ledger does not have that many entries \(seq=999999999, entries=\d+\)$/,
  );
});

test('a script signs in anew for one call and leaves no session behind', async () => {
  const file = join(home.home, 'password');
  writeFileSync(file, 'long-password-of-sysadmin\n', { mode: 0o600 });
  const saved = readFileSync(join(home.home, 'session.json'), 'utf8');
  const env = { POSTSEAL_PERSON: 'sysadmin', POSTSEAL_PASSWORD_FILE: file };
  const asScript = await home.run(['account', 'list', '--json'], undefined, env);
  expect(asScript).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(asScript.stdout)).toHaveLength(1);
  expect(readFileSync(join(home.home, 'session.json'), 'utf8')).toBe(saved);
  const events = (await until(async () => {
    const rows = (await json('ledger', 'query', '--limit', '6')) as { op: string; role: string }[];
    return rows.some(({ op }) => op === 'session.ended') ? rows : undefined;
  })) as { op: string; role: string }[];
  expect(events.map(({ op, role }) => `${op} ${role}`)).toEqual(
    expect.arrayContaining(['session.signed-in system-admin', 'session.ended system-admin']),
  );
  writeFileSync(file, 'a wrong password of sysadmin');
  const wrong = await home.run(['account', 'list'], undefined, env);
  expect(wrong).toMatchObject({ code: 1, stdout: '' });
  expect(wrong.stderr).toContain('name or password is wrong');
});

test('Ctrl-C that arrives twice is one: everything stops, and nothing is told as an error', async () => {
  process.kill(server.pid, 'SIGINT');
  expect(await server.stop()).toBe(0);
  expect(server.stderr().match(/postseal: stopping/g)).toHaveLength(1);
  expect(server.stderr()).not.toContain('error');
  // A home at rest is a healthy one.
  expect((await home.run(['doctor'])).code).toBe(0);
});
