// The memory of a server that takes an import of large messages: it is bounded, whatever their size and number.
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { ImapFlow } from 'imapflow';
import { type Account, createTestHome, type TestHome, type TestServer } from '../harness/server.ts';
import { homeProcesses } from './home-processes.ts';

jest.setTimeout(240_000);

const messages = 6;
const megabytes = 40;
const mebi = 1_048_576;

let home: TestHome;
let server: TestServer;
let ann: Account;
beforeAll(async () => {
  home = createTestHome({ workers: 1 });
  server = await home.start();
  await home.signIn('sysadmin');
  ann = await home.createAccount('ann@example.com');
});
afterAll(async () => {
  await server.stop();
  home.remove();
});

/** Megabytes, by the field's name in /proc/PID/status (proc(5)). */
function memory(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(
    readFileSync(`/proc/${String(pid)}/status`, 'utf8'),
  );
  return Number(found?.[1]) / 1_024;
}

/** Node's processes of the home; PostgreSQL's memory is its own affair. */
const processes = (): number[] =>
  homeProcesses(home.home)
    .filter(({ command }) => command.includes('.ts'))
    .map(({ pid }) => pid);

/** Lines of base64, as attachments are. */
function writeMbox(path: string): string {
  const file = openSync(path, 'w');
  const digest = createHash('sha256');
  for (let i = 0; i < messages; i += 1) {
    writeSync(file, 'From a@example.org Sat Jan  3 01:05:34 1996\n');
    for (let at = -1; at < megabytes; at += 1) {
      const text =
        at < 0
          ? `Subject: large ${String(i)}\n\n`
          : `${randomBytes(774_144).toString('base64').replace(/.{76}/g, '$&\n')}\n`;
      writeSync(file, text);
      if (i === messages - 1) digest.update(text.replaceAll('\n', '\r\n'));
    }
    writeSync(file, '\n');
  }
  closeSync(file);
  return digest.digest('hex');
}

async function digestOfLast(): Promise<string> {
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
  const { content } = await imap.download(String(messages), undefined, { uid: true });
  const digest = createHash('sha256');
  if (content === undefined) throw new Error('the last message is not there');
  for await (const piece of content) digest.update(piece as Buffer);
  await imap.logout();
  return digest.digest('hex');
}

test('grows by less than a part of what it takes in, at the first run and at one that stores nothing', async () => {
  const path = join(home.home, 'large.mbox');
  const digest = writeMbox(path);
  const taken = statSync(path).size / mebi;
  expect(taken).toBeGreaterThan(messages * megabytes * 0.95);
  const pids = processes();
  expect(pids).toContain(server.pid);
  const before = new Map(pids.map((pid) => [pid, memory(pid, 'VmRSS')]));
  // From here on the peak is counted anew (proc_pid_clear_refs(5)).
  for (const pid of pids) writeFileSync(`/proc/${String(pid)}/clear_refs`, '5');
  const stored = `stored ${String(messages)}, present 0, failed 0`;
  expect(await home.ok(['import', 'mbox', ann.name, path])).toContain(stored);
  const present = `stored 0, present ${String(messages)}, failed 0`;
  expect(await home.ok(['import', 'mbox', ann.name, path])).toContain(present);
  const growth = pids.map((pid) => memory(pid, 'VmHWM') - (before.get(pid) ?? NaN));
  const all = growth.reduce((sum, one) => sum + one, 0);
  process.stderr.write(`${taken.toFixed(0)} MiB imported, memory grew by ${all.toFixed(0)} MiB\n`);
  // What Node keeps until it collects does not depend on the messages, so it is weighed against many.
  expect(all).toBeLessThan((messages * megabytes) / 1.5);
  expect(await digestOfLast()).toBe(digest);
});
