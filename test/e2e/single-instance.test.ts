// One copy, whichever way a message or its attachment comes in: LMTP, APPEND, COPY and import give one content and one
// part (docs/formats/recipe.md), which outlive a kill -9 right after the last answer.
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ImapFlow } from 'imapflow';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import { type Account, createTestHome, type TestHome, type TestServer } from '../harness/server.ts';
import { withDatabase } from './home-database.ts';

const file = randomBytes(60_000)
  .toString('base64')
  .replace(/(.{76})(?!$)/gu, '$1\r\n');
const mail = (subject: string): Buffer =>
  Buffer.from(
    `From: a@example.org\r\nSubject: ${subject}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n` +
      `--b\r\n\r\nsee the file\r\n--b\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n${file}\r\n--b--\r\n`,
  );

let home: TestHome;
let server: TestServer;
let ann: Account;
let bob: Account;

beforeAll(async () => {
  home = createTestHome({ workers: 2 });
  server = await home.start();
  ann = await home.createAccount('ann@example.com');
  bob = await home.createAccount('bob@example.com');
}, 180_000);
afterAll(async () => {
  await server.stop();
  home.remove();
});

async function signIn({ name, password }: Account): Promise<ImapFlow> {
  const client = new ImapFlow({
    host: '127.0.0.1',
    port: server.ports.imaps,
    secure: true,
    auth: { user: name, pass: password },
    tls: { rejectUnauthorized: false },
    logger: false,
  });
  await client.connect();
  return client;
}

async function sourcesOf(account: Account, folder: string): Promise<string[]> {
  const client = await signIn(account);
  await client.mailboxOpen(folder);
  const found: string[] = [];
  for await (const { source } of client.fetch('1:*', { source: true })) {
    found.push(source?.toString('latin1') ?? '');
  }
  await client.logout();
  return found;
}

test('of a message and of a part of it', async () => {
  const lmtp = await LmtpClient.connect('127.0.0.1', server.ports.lmtp);
  await lmtp.deliver('a@example.org', ann.name, mail('one'));
  await lmtp.deliver('a@example.org', bob.name, mail('two'));
  await lmtp.quit();
  const folder = join(home.home, 'to-import');
  mkdirSync(folder);
  writeFileSync(join(folder, '1.eml'), mail('one'));
  await home.ok(['import', 'eml', bob.name, folder, '--folder', 'Imported']);
  const client = await signIn(ann);
  await client.mailboxCreate('Other');
  await client.append('Other', mail('two'));
  await client.mailboxOpen('INBOX');
  await client.messageCopy('1', 'Other');
  await server.kill();
  client.close();
  server = await home.start();

  const text = (subject: string): string => mail(subject).toString('latin1');
  expect(await sourcesOf(ann, 'INBOX')).toEqual([text('one')]);
  expect((await sourcesOf(ann, 'Other')).sort()).toEqual([text('one'), text('two')].sort());
  expect(await sourcesOf(bob, 'INBOX')).toEqual([text('two')]);
  expect(await sourcesOf(bob, 'Imported')).toEqual([text('one')]);
  const contents = await withDatabase(home.home, (query) =>
    query(
      `SELECT c.size::int AS size, cardinality(c.parts) AS parts,
              (SELECT count(*)::int FROM public.content_wrap w WHERE w.content_id = c.content_id) AS wraps
         FROM public.content c ORDER BY c.size`,
    ),
  );
  const whole = { size: mail('one').length, parts: 1, wraps: 2 };
  expect(contents).toEqual([{ size: 60_000, parts: null, wraps: 2 }, whole, whole]);
}, 180_000);
