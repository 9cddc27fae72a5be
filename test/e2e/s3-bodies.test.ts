// A home whose bodies lie in a bucket: mail comes in by LMTP and APPEND and comes back byte for byte; while the
// store is gone mail is put off and nothing is lost; a store that only pretends to lock ends the start.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import { s3Account, type S3Server, startS3Server } from '../harness/s3-server.ts';
import { type Account, createTestHome, type TestHome, type TestServer } from '../harness/server.ts';
import { until } from '../harness/until.ts';
import { RawImap } from './raw-imap.ts';

jest.setTimeout(120_000);

let s3: S3Server;
let home: TestHome;
let server: TestServer;
let ann: Account;
const acknowledged = new Set<string>();
const homes: TestHome[] = [];

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A home on the bucket; the secret lies in a file of its own. */
function homeWith(change: Readonly<Record<string, unknown>>): TestHome {
  const made = createTestHome({
    workers: 2,
    bodies: {
      store: 's3',
      s3: {
        endpoint: s3.endpoint,
        bucket: s3.bucket,
        prefix: `e2e-${homes.length}`,
        accessKeyId: { file: 's3-account' },
        secretAccessKey: { file: 's3-secret' },
        ...change,
      },
    },
  });
  writeFileSync(join(made.home, 's3-account'), s3Account.accessKeyId);
  writeFileSync(join(made.home, 's3-secret'), s3Account.secretAccessKey);
  homes.push(made);
  return made;
}

beforeAll(async () => {
  s3 = await startS3Server();
  home = homeWith({ lock: 'off' });
  server = await home.start();
  ann = await home.createAccount('ann@example.com');
});
afterAll(async () => {
  for (const each of homes) each.remove();
  await s3.close();
});

function message(octets: number): Buffer {
  const lines = randomBytes(octets).toString('base64').replace(/.{76}/g, '$&\r\n');
  return Buffer.from(`Subject: one of many\r\n\r\n${lines}\r\n`);
}

async function deliver(bytes: Buffer): Promise<void> {
  const lmtp = await LmtpClient.connect('127.0.0.1', server.ports.lmtp);
  // A connection that broke is not said goodbye to.
  await lmtp.deliver('a@example.org', ann.name, bytes);
  acknowledged.add(digest(bytes));
  await lmtp.quit();
}

async function inbox(): Promise<Set<string>> {
  const client = await RawImap.signedIn(server.ports.imaps, ann);
  await client.ok('EXAMINE INBOX');
  const { untagged } = await client.ok('FETCH 1:* BODY.PEEK[]');
  await client.logout();
  return new Set(untagged.flatMap(({ literals }) => literals.map((bytes) => digest(bytes))));
}

async function append(bytes: Buffer): Promise<string> {
  const client = await RawImap.signedIn(server.ports.imaps, ann);
  const { status, text } = await client.literalCommand('APPEND INBOX', bytes);
  await client.logout();
  if (status === 'OK') acknowledged.add(digest(bytes));
  return text;
}

describe('bodies in a bucket', () => {
  test('come back byte for byte, small and large, by LMTP and APPEND', async () => {
    for (const octets of [100, 20_000, 90_000, 2_500_000, 9_000_000])
      await deliver(message(octets));
    expect(await append(message(30_000))).toMatch(/ OK /);
    expect(await append(message(3_000_000))).toMatch(/ OK /);
    const client = await RawImap.signedIn(server.ports.imaps, ann);
    await client.ok('EXAMINE INBOX');
    const range = await client.ok('FETCH 5 BODY.PEEK[]<5000000.1000>');
    expect(range.untagged[0]?.literals[0]).toHaveLength(1_000);
    await client.logout();
    expect(await inbox()).toEqual(acknowledged);
    const packs = join(home.home, 'packs');
    expect(existsSync(packs) ? readdirSync(packs) : []).toEqual([]);
    await home.signIn('sysadmin');
    expect((await home.run(['doctor'])).stdout).toMatch(/^warning +bodies: .*without a lock$/m);
  });

  test('are put off while the store is gone, and nothing acknowledged is lost', async () => {
    await s3.away();
    await expect(deliver(message(5_000))).rejects.toThrow(/message refused: 451/);
    await expect(deliver(message(2_000_000))).rejects.toThrow(/message refused: 451/);
    expect(await append(message(5_000))).toMatch(/ NO \[UNAVAILABLE\]/);
    expect((await home.run(['doctor'])).stdout).toMatch(/^bad +bodies: .*does not answer/m);
    await s3.back();
    await until(() =>
      deliver(message(5_000)).then(
        () => true,
        () => false,
      ),
    );
    expect(await inbox()).toEqual(acknowledged);
  });

  test('survive kill -9 of the server, and scrub is content', async () => {
    const load = Array.from({ length: 40 }, () => deliver(message(4_000)).catch(() => undefined));
    await Promise.race(load);
    await server.kill();
    await Promise.all(load);
    server = await home.start();
    const found = await inbox();
    expect([...acknowledged].filter((each) => !found.has(each))).toEqual([]);
    expect(await server.stop()).toBe(0);
    const scrub = await home.run(['scrub', '--json']);
    expect({ code: scrub.code, stderr: scrub.stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(scrub.stdout)).toMatchObject({ findings: [] });
    const log = readFileSync(join(home.home, 'log', 'postseal.log'), 'utf8');
    expect(log).not.toContain(s3Account.secretAccessKey);
  });

  test('are not looked for elsewhere: another store ends the start with 78', async () => {
    const file = String(home.env['POSTSEAL_CONFIG']);
    const config = JSON.parse(readFileSync(file, 'utf8')) as { bodies: { store: string } };
    config.bodies.store = 'packs';
    writeFileSync(file, JSON.stringify(config));
    const { code, stderr } = await home.run(['serve']);
    expect({ code, line: stderr.split('\n').find((line) => line.includes('error:')) }).toEqual({
      code: 78,
      line: expect.stringContaining('lie in another store'),
    });
  });

  test('need a store that locks, unless it is said that none is wanted', async () => {
    const { code, stderr } = await homeWith({}).run(['serve']);
    expect({ code, line: stderr.split('\n').find((line) => line.includes('error:')) }).toEqual({
      code: 78,
      line: expect.stringContaining('does not hold what it locks'),
    });
  });
});
