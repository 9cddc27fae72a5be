// Every message of the corpus goes in by APPEND, by LMTP and by import, and comes back over IMAP byte
// for byte; an independent client parses what the server says about each, and no session ends early.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type FetchMessageObject, ImapFlow } from 'imapflow';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import { corpusMessages, toCrlf } from '../harness/corpus.ts';
import { type Account, createTestHome, type TestHome, type TestServer } from '../harness/server.ts';
import { withDatabase } from './home-database.ts';
import { RawImap } from './raw-imap.ts';
import { appendCarries, type Carried, smtpCarries } from './smtp-carry.ts';

const connections = 8;
const mail: readonly Carried[] = corpusMessages().map(({ file, bytes }) => {
  const sent = toCrlf(bytes);
  return { file, bytes: sent, bySmtp: smtpCarries(sent) };
});
const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const fileOf = new Map(mail.map(({ file, bytes }) => [digest(bytes), file]));

let home: TestHome;
let server: TestServer;
const scratch = mkdtempSync(join(tmpdir(), 'postseal-corpus-'));

beforeAll(async () => {
  home = createTestHome();
  server = await home.start();
}, 180_000);
afterAll(async () => {
  await server.stop();
  home.remove();
  rmSync(scratch, { recursive: true, force: true });
}, 60_000);

/** Runs `work` over `items` in order, `connections` at a time, each worker with something of its own. */
async function inParallel<T, C>(
  items: readonly T[],
  open: () => Promise<C>,
  work: (context: C, item: T) => Promise<void>,
  close: (context: C) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const worker = async (): Promise<void> => {
    const context = await open();
    for (const item of queue) await work(context, item);
    await close(context);
  };
  await Promise.all(Array.from({ length: connections }, worker));
}

/** Digest by uid of everything in INBOX, and what must hold for each message by itself. */
async function readBack(account: Account): Promise<Map<number, string>> {
  const first = await RawImap.signedIn(server.ports.imaps, account);
  const { untagged } = await first.ok('SELECT INBOX');
  const exists = Number(untagged.find(({ text }) => text.endsWith(' EXISTS'))?.text.split(' ')[1]);
  await first.logout();
  const step = Math.max(1, Math.ceil(exists / connections / 4));
  const ranges = Array.from({ length: Math.ceil(exists / step) }, (_, i) => i * step + 1);
  const found = new Map<number, string>();
  await inParallel(
    ranges,
    async () => {
      const client = await RawImap.signedIn(server.ports.imaps, account);
      await client.ok('EXAMINE INBOX');
      return client;
    },
    async (client, from) => {
      const to = Math.min(exists, from + step - 1);
      const items =
        '(UID RFC822.SIZE BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[]<7.1000>)';
      const reply = await client.ok(`FETCH ${from}:${to} ${items}`);
      for (const [uid, bytes] of reply.untagged.flatMap(checkedAnswer)) found.set(uid, bytes);
    },
    (client) => client.logout(),
  );
  expect(found.size).toBe(exists);
  return found;
}

/** `[uid, digest]` of one FETCH answer, once its parts have been held against the whole. */
function checkedAnswer({
  text,
  literals,
}: {
  text: string;
  literals: readonly Buffer[];
}): [number, string][] {
  if (!/^\* \d+ FETCH /.test(text)) return [];
  const parts = new Map<string, Buffer>();
  let literal = 0;
  for (const [, name = '', value] of text.matchAll(
    /(BODY\[[A-Z]*\](?:<7>)?) (~?\{\d+\}|"[^"]*"|NIL)/g,
  )) {
    const sent = value?.endsWith('}') === true ? literals[literal] : undefined;
    if (sent !== undefined) literal += 1;
    parts.set(
      name,
      sent ?? Buffer.from(value === 'NIL' ? '' : (value ?? '').slice(1, -1), 'latin1'),
    );
  }
  const whole = parts.get('BODY[]') ?? Buffer.alloc(0);
  const uid = Number(/UID (\d+)/.exec(text)?.[1]);
  const about = {
    file: fileOf.get(digest(whole)),
    size: Number(/RFC822\.SIZE (\d+)/.exec(text)?.[1]),
    halves: Buffer.concat([
      parts.get('BODY[HEADER]') ?? Buffer.alloc(0),
      parts.get('BODY[TEXT]') ?? Buffer.alloc(0),
    ]).equals(whole),
    partial: parts.get('BODY[]<7>')?.equals(whole.subarray(7, 1007)),
  };
  expect(about).toEqual({
    file: expect.any(String),
    size: whole.length,
    halves: true,
    partial: true,
  });
  return [[uid, digest(whole)]];
}

/** What went in and what came out, as sorted lists of files. */
function expectSame(found: Iterable<string>, sent: readonly Carried[]): void {
  const names = [...found].map((one) => fileOf.get(one) ?? 'unknown bytes').sort();
  const expected = sent.map(({ bytes }) => fileOf.get(digest(bytes))).sort();
  expect(names).toEqual(expected);
}

test('the corpus is there, with what SMTP cannot carry', () => {
  expect(mail.length).toBeGreaterThan(1_500);
  expect(mail.filter(({ bySmtp }) => bySmtp).length).toBeGreaterThan(1_300);
  expect(mail.some(({ bytes }) => bytes.includes(0))).toBe(true);
});

describe('APPEND', () => {
  let account: Account;
  const uids = new Map<number, string>();

  test('takes every message, those with NUL as literal8, and they come back', async () => {
    account = await home.createAccount('append@example.com');
    const sent = mail.filter(appendCarries);
    await inParallel(
      sent,
      () => RawImap.signedIn(server.ports.imaps, account),
      async (client, { file, bytes }) => {
        const reply = await client.literalCommand(
          'APPEND INBOX',
          bytes,
          bytes.includes(0) ? '~' : '',
        );
        const uid = /^\S+ OK \[APPENDUID \d+ (\d+)\]/.exec(reply.text)?.[1];
        if (uid === undefined) throw new Error(`${file}: ${reply.text}`);
        uids.set(Number(uid), digest(bytes));
      },
      (client) => client.logout(),
    );
    expect(uids.size).toBe(sent.length);
    expect(await readBack(account)).toEqual(uids);
  }, 300_000);

  test('imapflow understands what is said about every one of them', async () => {
    const open = async (): Promise<ImapFlow> => {
      const client = new ImapFlow({
        host: '127.0.0.1',
        port: server.ports.imaps,
        secure: true,
        auth: { user: account.name, pass: account.password },
        tls: { rejectUnauthorized: false },
        logger: false,
      });
      await client.connect();
      await client.mailboxOpen('INBOX', { readOnly: true });
      return client;
    };
    const bytesOf = new Map(mail.map(({ bytes }) => [digest(bytes), bytes]));
    const all = [...uids.keys()].sort((a, b) => a - b);
    const step = 50;
    const ranges = Array.from({ length: Math.ceil(all.length / step) }, (_, i) =>
      all.slice(i * step, (i + 1) * step),
    );
    const seen = new Set<number>();
    await inParallel(
      ranges,
      open,
      async (client, range) => {
        const query = {
          uid: true,
          size: true,
          envelope: true,
          bodyStructure: true,
          headers: true,
          bodyParts: ['1', { key: '1', start: 3, maxLength: 20 }],
          source: { start: 5, maxLength: 64 },
        };
        for await (const message of client.fetch(range.join(','), query, { uid: true })) {
          const bytes = bytesOf.get(uids.get(message.uid) ?? '') ?? Buffer.alloc(0);
          expectUnderstood(message, bytes);
          seen.add(message.uid);
        }
        expect(client.usable).toBe(true);
      },
      (client) => client.logout(),
    );
    expect(seen.size).toBe(all.length);
  }, 300_000);
});

function expectUnderstood(message: FetchMessageObject, bytes: Buffer): void {
  const blank = bytes.indexOf('\r\n\r\n');
  const about = {
    uid: message.uid,
    size: message.size,
    envelope: typeof message.envelope,
    type: typeof message.bodyStructure?.type,
    source: message.source?.equals(bytes.subarray(5, 69)),
    headers:
      blank < 0
        ? true
        : bytes.subarray(0, message.headers?.length).equals(message.headers ?? bytes),
  };
  expect(about).toEqual({
    uid: message.uid,
    size: bytes.length,
    envelope: 'object',
    type: 'string',
    source: true,
    headers: true,
  });
  // Part 1 is some stretch of the message, whatever its structure is.
  const part = message.bodyParts?.get('1');
  if (part !== undefined) expect(bytes.includes(part)).toBe(true);
}

test('LMTP takes everything that SMTP can carry, and adds nothing', async () => {
  const account = await home.createAccount('lmtp@example.com');
  const sent = mail.filter(({ bySmtp }) => bySmtp);
  await inParallel(
    sent,
    () => LmtpClient.connect('127.0.0.1', server.ports.lmtp),
    async (client, { file, bytes }) => {
      await client.deliver('sender@example.org', account.name, bytes).catch((error: unknown) => {
        throw new Error(file, { cause: error });
      });
    },
    (client) => client.quit(),
  );
  expectSame((await readBack(account)).values(), sent);
}, 300_000);

test('import takes every file as it is, and a second run stores nothing twice', async () => {
  const account = await home.createAccount('import@example.com');
  const folder = join(scratch, 'mail');
  for (const { file, bytes } of mail) {
    const path = join(folder, file);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, bytes);
  }
  const results = join(scratch, 'results.jsonl');
  const run = async (): Promise<{ summary: unknown; statuses: string[] }> => {
    const out = await home.ok([
      'import',
      'eml',
      account.name,
      folder,
      '--results',
      results,
      '--json',
    ]);
    const lines = readFileSync(results, 'utf8').trimEnd().split('\n');
    const statuses = lines.map((line) => (JSON.parse(line) as { status: string }).status);
    return { summary: JSON.parse(out), statuses };
  };
  const first = await run();
  expect(first.summary).toEqual({ stored: mail.length, present: 0, failed: 0 });
  expectSame((await readBack(account)).values(), mail);
  const second = await run();
  expect(second.summary).toEqual({ stored: 0, present: mail.length, failed: 0 });
  expect(new Set(second.statuses)).toEqual(new Set(['present']));
  expect(second.statuses).toHaveLength(mail.length);
  expect((await readBack(account)).size).toBe(mail.length);
}, 300_000);

test('what went in three times is whole in ledger and packs', async () => {
  expect(await home.ok(['ledger', 'verify'])).toMatch(/\nclean\n$/);
  const report = JSON.parse(await home.ok(['scrub', '--json'])) as Record<string, unknown>;
  const [rows] = await withDatabase(home.home, (query) =>
    query(`SELECT (SELECT count(*)::int FROM content) AS contents,
                  (SELECT count(*)::int FROM content_wrap) AS wraps,
                  (SELECT count(*)::int FROM metadata_cell) AS cells`),
  );
  // Clean means something only if every row was looked at.
  expect(report).toMatchObject({ ...rows, findings: [] });
}, 120_000);
