// A whole server on a PostgreSQL of one's own (DATABASE_URL): nothing of it lies in the home, and a second
// start finds what the first one took in.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { type Account, createTestHome, type TestHome, type TestServer } from '../harness/server.ts';

jest.setTimeout(180_000);

let db: TestDatabase;
let home: TestHome;
let server: TestServer;
let ann: Account;
beforeAll(async () => {
  db = await startTestDatabase({ migrated: false });
  home = createTestHome({ workers: 1 }, db.url);
  server = await home.start();
  await home.signIn('sysadmin');
  ann = await home.createAccount('ann@example.com');
});
afterAll(async () => {
  await server.stop();
  home.remove();
  await db.drop();
});

const message = 'Subject: kept elsewhere\r\n\r\nhello\r\n';

async function deliver(): Promise<void> {
  const { lmtp: port } = server.ports;
  const transport = createTransport({
    host: '127.0.0.1',
    port,
    lmtp: true,
    secure: false,
    ignoreTLS: true,
  });
  await transport.sendMail({
    envelope: { from: 'a@example.org', to: [ann.name] },
    raw: message,
  });
  transport.close();
}

async function inbox(): Promise<string[]> {
  const imap = new ImapFlow({
    host: '127.0.0.1',
    port: server.ports.imaps,
    secure: true,
    auth: { user: ann.name, pass: ann.password },
    tls: { rejectUnauthorized: false },
    logger: false,
  });
  await imap.connect();
  await imap.mailboxOpen('INBOX');
  const found: string[] = [];
  for await (const { source } of imap.fetch('1:*', { source: true })) {
    found.push(source?.toString() ?? '');
  }
  await imap.logout();
  return found;
}

test('takes mail in, gives it back after a second start, and both stores are clean', async () => {
  await deliver();
  expect(await inbox()).toEqual([message]);
  expect(await server.stop()).toBe(0);
  server = await home.start();
  await deliver();
  expect(await inbox()).toEqual([message, message]);
  expect(await home.ok(['ledger', 'verify'])).toContain('clean');
  expect(await home.ok(['scrub'])).toMatch(/\nclean\n$/);
});

test('has its rows there and no cluster in the home', async () => {
  const { rows } = await db.database.pool.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM record',
  );
  expect(rows).toEqual([{ n: 2 }]);
  expect(readdirSync(home.home)).not.toContain('postgres');
  expect(existsSync(join(home.home, 'packs'))).toBe(true);
});
