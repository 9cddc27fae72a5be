// The whole server on the wire: what a client may rely on, and what a hostile one may not do.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client } from '../wire/transcript.ts';
import { type ImapStage, openImapStage } from './stage.ts';

let stage: ImapStage;
beforeAll(async () => {
  stage = await openImapStage({ badCommandsMax: 5, messageBytesMax: 4_000_000, keepAliveMs: 300 });
});
afterAll(async () => {
  await stage.close();
});

const clients: Client[] = [];
async function open(door = stage.secure): Promise<Client> {
  const client = await Client.open(door);
  clients.push(client);
  expect(await client.line()).toMatch(/^\* OK \[CAPABILITY /);
  return client;
}

/** A signed-in client of a new account. */
async function enter(): Promise<Client> {
  const { name, password } = await stage.newAccount();
  const client = await open();
  expect((await client.command('in', `LOGIN ${name} "${password}"`)).at(-1)).toMatch(/^in OK/);
  return client;
}

afterAll(() => {
  for (const client of clients) client.close();
});

const last = (lines: readonly string[]): string => lines.at(-1) ?? '';

describe('before TLS', () => {
  test('offers STARTTLS, offers no sign-in and refuses one', async () => {
    const client = await open(stage.plain);
    const [told = ''] = await client.command('a', 'CAPABILITY');
    expect(told).toMatch(/ STARTTLS LOGINDISABLED /);
    expect(told).not.toMatch(/AUTH=/);
    expect(last(await client.command('b', 'LOGIN x y'))).toMatch(/^b NO \[PRIVACYREQUIRED\]/);
    expect(last(await client.command('c', 'AUTHENTICATE PLAIN AGEAYg=='))).toMatch(
      /^c NO \[PRIVACYREQUIRED\]/,
    );
  });

  test('forgets what was sent before the handshake, and signs in after it', async () => {
    const { name, password } = await stage.newAccount();
    const client = await open(stage.plain);
    client.send('a STARTTLS\r\nb CAPABILITY\r\n');
    expect(await client.line()).toMatch(/^a OK/);
    await client.startTls();
    const [told = ''] = await client.command('c', 'CAPABILITY');
    expect(told).toMatch(/^\* CAPABILITY .* AUTH=PLAIN /);
    expect(told).not.toMatch(/STARTTLS|LOGINDISABLED/);
    const initial = Buffer.from(`\0${name}\0${password}`).toString('base64');
    expect(last(await client.command('d', `AUTHENTICATE PLAIN ${initial}`))).toMatch(/^d OK/);
  });
});

describe('limits', () => {
  test('a stranger cannot make the server hold a large literal', async () => {
    const client = await open();
    client.send('a LOGIN {3+}\r\nbob {9000+}\r\n');
    client.send('x'.repeat(9000));
    client.send(' y\r\nb NOOP\r\n');
    expect(await client.line()).toMatch(/^a BAD \[TOOBIG\]/);
    expect(await client.line()).toMatch(/^b OK/);
    client.send('c LOGIN {99999999+}\r\n');
    expect(await client.line()).toMatch(/^c BAD \[TOOBIG\]/);
    expect(await client.line()).toMatch(/^\* BYE/);
    expect(await client.line()).toBeNull();
  });

  test('a line without end is refused at 64 KiB and skipped', async () => {
    const client = await open();
    client.send('a '.padEnd(70_000, 'x'));
    expect(await client.line()).toMatch(/^a BAD \[TOOBIG\]/);
    client.send('rest\r\nb NOOP\r\n');
    expect(await client.line()).toMatch(/^b OK/);
  });

  test('takes a command line of 60 KiB', async () => {
    const client = await enter();
    await client.command('s', 'SELECT INBOX');
    const uids = Array.from({ length: 10_000 }, (_, i) => i * 2 + 1).join(',');
    expect(last(await client.command('a', `UID FETCH ${uids} FLAGS`))).toMatch(/^a OK/);
  });

  test('hangs up on a client that speaks no IMAP', async () => {
    const client = await open();
    client.send('GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\nE: f\r\n\r\n');
    const lines: string[] = [];
    for (let line = await client.line(); line !== null; line = await client.line())
      lines.push(line);
    expect(lines.at(-1)).toMatch(/^\* BYE/);
    expect(lines).toHaveLength(6);
  });

  test('lets nobody guess passwords on one connection', async () => {
    const { name } = await stage.newAccount();
    const client = await open();
    for (let i = 0; i < 4; i += 1) {
      const answer = await client.command(`a${i}`, `LOGIN ${name} wrong`);
      expect(last(answer)).toMatch(/NO \[AUTHENTICATIONFAILED\]/);
    }
    client.send(`b LOGIN ${name} wrong\r\n`);
    expect(await client.line()).toMatch(/^\* BYE/);
    const failures = (await stage.events()).filter(({ op }) => op === 'session.sign-in-failed');
    expect(failures.length).toBeGreaterThanOrEqual(5);
  });
});

describe('APPEND', () => {
  const fetchBody = async (client: Client, uid: string): Promise<string> => {
    const lines = await client.command('f', `UID FETCH ${uid} BODY.PEEK[]`);
    return lines.slice(1, -2).join('\r\n');
  };
  const uidOf = (answer: string): string => /APPENDUID \d+ (\d+)/.exec(answer)?.[1] ?? '';

  test('refuses a message over the limit before an octet is sent', async () => {
    const client = await enter();
    client.send('a APPEND INBOX {4000001}\r\n');
    expect(await client.line()).toMatch(/^a NO \[TOOBIG\]/);
    client.send('b APPEND INBOX {0}\r\n');
    expect(await client.line()).toMatch(/^b NO/);
    expect(last(await client.command('c', 'NOOP'))).toMatch(/^c OK/);
  });

  test('streams a large message and gives it back byte for byte', async () => {
    const client = await enter();
    const text = `Subject: large\r\n\r\n${'0123456789abcde\r\n'.repeat(200_000)}`;
    client.send(`a APPEND INBOX {${text.length}+}\r\n${text}\r\n`);
    const [answer = ''] = await client.until('a');
    expect(answer).toMatch(/^a OK \[APPENDUID/);
    await client.command('s', 'EXAMINE INBOX');
    expect(`${await fetchBody(client, uidOf(answer))}\r\n` === text).toBe(true);
  });

  test('takes NUL in a literal8 and gives it back', async () => {
    const client = await enter();
    client.send('a APPEND INBOX ~{18+}\r\nSubject: n\r\n\r\n\0\x01\r\n\r\n');
    const [answer = ''] = await client.until('a');
    await client.command('s', 'EXAMINE INBOX');
    expect(await fetchBody(client, uidOf(answer))).toBe('Subject: n\r\n\r\n\0\x01');
  });

  test('keeps nothing of a command that ends badly', async () => {
    const client = await enter();
    client.send('a APPEND INBOX {12+}\r\nSubject: x\r\n (junk)\r\n');
    expect(await client.line()).toMatch(/^a BAD/);
    client.send('b APPEND INBOX {12+}\r\nSubject: x\r\n {12+}\r\nSubject: y\r\n\r\n');
    expect(await client.line()).toMatch(/^b BAD/);
    const [status = ''] = await client.command('c', 'STATUS INBOX (MESSAGES)');
    expect(status).toBe('* STATUS "INBOX" (MESSAGES 0)');
  });
});

describe('the ledger', () => {
  /** Without those that the key service writes once a second, whatever happens meanwhile. */
  const newer = async (known: ReadonlySet<string>): Promise<string[]> => {
    const fresh = (await stage.events()).filter(({ id }) => !known.has(id));
    return fresh.map(({ op }) => op).filter((op) => !op.startsWith('key.'));
  };
  const since = async (run: () => Promise<unknown>): Promise<string[]> => {
    const before = new Set((await stage.events()).map(({ id }) => id));
    await run();
    await delay(50);
    return newer(before);
  };

  test('names every read once, and none of flags', async () => {
    const client = await enter();
    for (let i = 0; i < 3; i += 1) {
      client.send('a APPEND INBOX {23+}\r\nSubject: x\r\n\r\nhello\r\n\r\n\r\n');
      await client.until('a');
    }
    const ids = new Set((await stage.events()).map(({ id }) => id));
    await client.command('s', 'SELECT INBOX');
    // Durable before its answer.
    expect(await newer(ids)).toEqual(['mailbox.selected']);
    const run = (command: string) => since(() => client.command('b', command));
    expect(await run('FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE MODSEQ)')).toEqual([]);
    expect(await run('FETCH 1:* (ENVELOPE BODYSTRUCTURE)')).toEqual(['metadata.read']);
    expect(await run('FETCH 1:* BODY.PEEK[]')).toEqual(['read.granted', 'read.ended']);
    expect(await run('SEARCH UNSEEN SMALLER 100')).toEqual([]);
    expect(await run('SEARCH BODY hello')).toEqual(['search.run']);
    expect((await run('FETCH 1 BODY[TEXT]')).toSorted()).toEqual([
      'message.flags-changed',
      'read.ended',
      'read.granted',
    ]);
    const granted = (await stage.events()).findLast(({ op }) => op === 'read.granted');
    expect(granted?.f).toMatchObject({ uids: '1', n: 1, items: ['body[text]'] });
  });
});

describe('a session', () => {
  test('runs pipelined commands in their order', async () => {
    const client = await enter();
    const tags = Array.from({ length: 60 }, (_, i) => `t${i}`);
    const words = [
      'NOOP',
      'SELECT INBOX',
      'STATUS INBOX (MESSAGES)',
      'UID SEARCH ALL',
      'LIST "" *',
    ];
    client.send(tags.map((tag, i) => `${tag} ${words[i % words.length] ?? ''}\r\n`).join(''));
    const answered: string[] = [];
    while (answered.length < tags.length) {
      const line = (await client.line()) ?? '';
      if (line.startsWith('t')) answered.push(line.split(' ', 2).join(' '));
    }
    expect(answered).toEqual(tags.map((tag) => `${tag} OK`));
  });

  test('shows signs of life in IDLE, with or without a mailbox', async () => {
    const client = await enter();
    client.send('a IDLE\r\n');
    expect(await client.line()).toMatch(/^\+ /);
    expect(await client.line()).toBe('* OK Still here');
    expect(await client.line()).toBe('* OK Still here');
    client.send('done\r\n');
    expect((await client.until('a')).at(-1)).toMatch(/^a OK/);
  });

  test('is told of another worker’s mail by NOOP', async () => {
    const other = await stage.newWorker();
    const { name, password } = await stage.newAccount();
    const here = await open();
    const there = await Client.open(other.secure);
    clients.push(there);
    for (const client of [here, there]) {
      await client.command('l', `LOGIN ${name} "${password}"`);
      await client.command('s', 'SELECT INBOX');
    }
    there.send('a APPEND INBOX {12+}\r\nSubject: x\r\n\r\n');
    expect(last(await there.until('a'))).toMatch(/^a OK/);
    expect(await here.command('b', 'NOOP')).toContain('* 1 EXISTS');
    expect(await here.command('c', 'STORE 1 +FLAGS (\\Flagged)')).toContain(
      '* 1 FETCH (FLAGS (\\Flagged))',
    );
    expect((await there.command('d', 'NOOP')).join()).toMatch(/\* 1 FETCH \(FLAGS \(\\Flagged/);
  });

  test('is seen in the trace without what it said, and can be kicked', async () => {
    const client = await enter();
    await client.command('a', 'ID ("name" "tester")');
    await client.command('b', 'SEARCH');
    const [session] = stage.trace.recent();
    expect(session?.commands.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'LOGIN OK',
      'ID OK',
      'SEARCH BAD',
    ]);
    expect(JSON.stringify(session)).not.toContain('password');
    expect(session?.client).toBe('tester');
    expect(await stage.server.kick(session?.id ?? '')).toBe(true);
    expect(await client.line()).toMatch(/^\* BYE/);
    expect(await client.line()).toBeNull();
  });

  test('of an account over its limit is refused', async () => {
    const few = await stage.newWorker({ sessionsPerAccountMax: 1 });
    const { name, password } = await stage.newAccount();
    const [one, two] = [await Client.open(few.secure), await Client.open(few.secure)];
    clients.push(one, two);
    expect(last(await one.command('a', `LOGIN ${name} "${password}"`))).toMatch(/^a OK/);
    expect(last(await two.command('a', `LOGIN ${name} "${password}"`))).toMatch(/^a NO \[LIMIT\]/);
    await one.command('b', 'LOGOUT');
    expect(last(await two.command('b', `LOGIN ${name} "${password}"`))).toMatch(/^b OK/);
  });

  test('ends within its time if nobody signs in', async () => {
    const hasty = await stage.newWorker({ signInMs: 100 });
    const client = await Client.open(hasty.plain);
    clients.push(client);
    await client.line();
    expect(await client.line()).toMatch(/^\* BYE/);
    expect(await client.line()).toBeNull();
  });

  test('leaves no error in the log', () => {
    expect(stage.log.entries.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
