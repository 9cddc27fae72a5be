// Key generations by the command line, on a whole server with the token of this machine.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LmtpClient } from '../../../bench/load/lmtp-client.ts';
import { RawImap } from '../../e2e/raw-imap.ts';
import {
  type Account,
  createTestHome,
  type TestHome,
  type TestServer,
} from '../../harness/server.ts';

const startMs = 180_000;
let home: TestHome;
let server: TestServer;
let account: Account;
beforeAll(async () => {
  home = createTestHome({ workers: 1 });
  server = await home.start();
  account = await home.createAccount('ann@example.com');
}, startMs);
afterAll(async () => {
  await server.stop();
  home.remove();
}, startMs);

const json = async (...args: string[]): Promise<unknown> =>
  JSON.parse(await home.ok([...args, '--json']));

async function deliver(text: string): Promise<void> {
  const lmtp = await LmtpClient.connect('127.0.0.1', server.ports.lmtp);
  const bytes = Buffer.from(`From: b@example.org\r\nSubject: ${text}\r\n\r\n${text}\r\n`);
  await lmtp.deliver('b@example.org', account.name, bytes);
  await lmtp.quit();
}

async function subjects(): Promise<string[]> {
  const client = await RawImap.signedIn(server.ports.imaps, account);
  await client.ok('EXAMINE INBOX');
  const { untagged } = await client.ok('FETCH 1:* BODY.PEEK[]');
  await client.logout();
  return untagged
    .flatMap(({ literals }) => literals)
    .map((bytes) => /Subject: (\S+)/.exec(bytes.toString())?.[1] ?? '');
}

test(
  'list, rotate, rewrap: said in words and as JSON, and mail goes in and out as before',
  async () => {
    await deliver('before');
    expect(await json('key', 'generations')).toMatchObject([{ generation: 1, state: 'live' }]);
    expect(await json('key', 'rotate')).toEqual({ generation: 2, rotated: 0, failed: 0 });
    await deliver('between');
    const done = (await json('key', 'rewrap')) as { custodians: number };
    expect(done).toMatchObject({ generation: 2, groups: 0, wraps: 0, failed: 0 });
    expect(done.custodians).toBeGreaterThan(1);
    await deliver('after');
    expect(await subjects()).toEqual(['before', 'between', 'after']);
    expect(await json('key', 'generations')).toMatchObject([
      { generation: 1, state: 'retired', custodianKeys: 0, organisationKeys: 0, groupKeys: 0 },
      { generation: 2, state: 'live', organisationKeys: 1 },
    ]);
    expect(await home.ok(['key', 'rewrap'])).toContain('custodians moved: 0');
    expect(await home.ok(['key', 'status'])).toContain('generation: 2');
    const listed = await home.ok(['key', 'inventory']);
    expect(listed).toMatch(/^secret postseal kek [0-9a-f-]{36} 2: encrypt, decrypt; /m);
    expect(listed).toContain('generation 1 retired');
  },
  startMs,
);

test(
  'a generation is destroyed by several officers only, and erasures are listed',
  async () => {
    expect(await json('key', 'erasures')).toEqual([]);
    const { stderr: limits } = await home.run(['key', 'erasures']);
    expect(limits).toContain('older copy of a software token');
    const stranger = await home.run(['key', 'destroy', '1']);
    expect([stranger.code, stranger.stderr]).toEqual([1, expect.stringContaining('key-custodian')]);
    await home.signIn('secadmin');
    await home.ok(['person', 'role', 'sysadmin', 'key-custodian']);
    await home.signIn('sysadmin');
    const live = await home.run(['key', 'destroy', '2']);
    expect([live.code, live.stderr]).toEqual([1, expect.stringContaining('not retired')]);
    const alone = await home.run(['key', 'destroy', '1']);
    expect([alone.code, alone.stderr]).toEqual([1, expect.stringContaining('too few persons')]);
    for (const name of ['key2', 'key3']) {
      await home.signIn('secadmin');
      await home.ok(['person', 'create', name, '--full-name', name, '--role', 'key-custodian']);
      await home.signIn('sysadmin');
    }
    expect(await home.ok(['key', 'destroy', '1'])).toContain('an older backup opens then');
    expect(await json('key', 'generations')).toMatchObject([{ state: 'retired' }, {}]);
  },
  startMs,
);

test(
  'the auditor sees generations and makes none, which is recorded',
  async () => {
    await home.signIn('auditadmin');
    expect((await json('key', 'generations')) as unknown[]).toHaveLength(2);
    const refused = await home.run(['key', 'rotate']);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('key-custodian')]);
    const events = (await json('ledger', 'query', '--op', 'access.denied')) as { body: unknown }[];
    expect(JSON.stringify(events.map(({ body }) => body))).toContain('key.rotate');
  },
  startMs,
);
