// A real Postfix delivers by LMTP: one message for several recipients, an unknown one bounced, and a
// mail that waits in Postfix's queue while the archive is down.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';
import { describeIf, findProgram } from '../harness/needs.ts';
import { type Account, createTestHome, type TestHome, type TestServer } from '../harness/server.ts';
import { type Postfix, startPostfix } from './postfix.ts';

let home: TestHome;
let server: TestServer;
let postfix: Postfix;
const accounts: Account[] = [];

async function subjects(account: Account): Promise<string[]> {
  const client = new ImapFlow({
    host: '127.0.0.1',
    port: server.ports.imaps,
    secure: true,
    auth: { user: account.name, pass: account.password },
    tls: { rejectUnauthorized: false },
    logger: false,
  });
  await client.connect();
  const lock = await client.getMailboxLock('INBOX');
  const out: string[] = [];
  if (client.mailbox !== false && client.mailbox.exists > 0) {
    for await (const message of client.fetch('1:*', { envelope: true })) {
      out.push(message.envelope?.subject ?? '');
    }
  }
  lock.release();
  await client.logout();
  return out;
}

async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 200; i += 1) {
    if (await holds()) return;
    await new Promise((r) => setTimeout(r, 100));
  }
  throw new Error(`never came true: ${what}\n${postfix.log()}`);
}

async function send(subject: string, to: readonly string[]): Promise<void> {
  const transport = createTransport({
    host: '127.0.0.1',
    port: postfix.smtp,
    secure: false,
    ignoreTLS: true,
  });
  await transport.sendMail({
    from: 'boss@example.org',
    to: [...to],
    subject,
    text: 'Grüße aus Köln\n.\n..two dots\n',
    attachments: [{ filename: 'a.bin', content: Buffer.alloc(200_000, 7) }],
  });
  transport.close();
}

const hasPostfix = process.getuid?.() === 0 && findProgram('postfix') !== undefined;
describeIf(hasPostfix, 'no postfix, or no root to run it as', 'Postfix', () => {
  beforeAll(async () => {
    // A fixed LMTP port, so that the archive comes back where Postfix looks for it.
    const { freePort } = await import('../../bench/peers/dovecot.ts');
    const free = { host: '127.0.0.1', port: 0 };
    const lmtp = { host: '127.0.0.1', port: await freePort() };
    home = createTestHome({ listeners: { imap: free, imaps: free, metrics: free, lmtp } });
    server = await home.start();
    for (const name of ['ann', 'bob'])
      accounts.push(await home.createAccount(`${name}@example.com`));
    postfix = await startPostfix(server.ports.lmtp);
  }, 120_000);
  afterAll(async () => {
    postfix.stop();
    await server.stop();
    home.remove();
  });

  test('delivers one message to two recipients', async () => {
    await send('to both', ['ann@example.com', 'bob+lists@example.com']);
    await until('both have it', async () => {
      const got = await Promise.all(accounts.map(subjects));
      return got.every((list) => list.includes('to both'));
    });
    expect(postfix.log()).toMatch(/status=sent \(250 2\.0\.0 sealed [0-9a-f-]{36}\)/);
  }, 60_000);

  test('bounces a recipient that does not exist and delivers to the other', async () => {
    await send('half known', ['ann@example.com', 'nobody@example.com']);
    await until('ann has it', async () => (await subjects(accounts[0]!)).includes('half known'));
    await until('the other bounced', () =>
      /nobody@example\.com.*status=bounced.*5\.1\.1/.test(postfix.log()),
    );
  }, 60_000);

  test('keeps mail in its queue while the archive is down and delivers it afterwards', async () => {
    await server.stop();
    await send('kept meanwhile', ['bob@example.com']);
    await until('it is queued', () => postfix.queued() === 1);
    server = await home.start();
    await until('bob has it', async () => {
      postfix.flush();
      return (await subjects(accounts[1]!)).includes('kept meanwhile');
    });
    expect(await subjects(accounts[1]!)).toEqual(['to both', 'kept meanwhile']);
  }, 90_000);
});
