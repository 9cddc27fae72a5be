// Two workers of one account on the wire, with no way for hints between them: what was acknowledged by one
// is answered rightly by the other, in its very next command.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Client } from '../wire/transcript.ts';
import { type ImapStage, type ImapWorker, openImapStage } from './stage.ts';

let stage: ImapStage;
let other: ImapWorker;
let here: Client;
let there: Client;

beforeAll(async () => {
  stage = await openImapStage({ messageBytesMax: 4_000_000 });
  other = await stage.newWorker();
});
afterAll(async () => {
  await stage.close();
});

/** Both signed in, `there` with the whole tree in its memory. */
beforeEach(async () => {
  const { name, password } = await stage.newAccount();
  [here, there] = await Promise.all([Client.open(stage.secure), Client.open(other.secure)]);
  for (const client of [here, there]) {
    await client.line();
    await ok(client, `LOGIN ${name} "${password}"`);
  }
  for (const folder of ['A', 'B']) await ok(here, `CREATE ${folder}`);
  for (const folder of ['A', 'B']) await ok(there, `STATUS ${folder} (MESSAGES)`);
  await ok(there, 'LIST "" "*"');
});
afterEach(() => {
  here.close();
  there.close();
});

let tags = 0;
async function run(client: Client, line: string): Promise<{ told: string[]; tagged: string }> {
  const tag = `t${(tags += 1)}`;
  const lines = await client.command(tag, line);
  return { told: lines.slice(0, -1), tagged: (lines.at(-1) ?? '').replace(`${tag} `, '') };
}

async function ok(client: Client, line: string): Promise<string[]> {
  const { told, tagged } = await run(client, line);
  expect(tagged).toMatch(/^OK/);
  return told;
}

const message = (size: number): string => `Subject: x\r\n\r\n${'x'.repeat(size)}\r\n`;
const append = (folder: string, text: string): string =>
  `APPEND ${folder} (\\Seen $Work) {${text.length}+}\r\n${text}`;
const messagesIn = async (folder: string): Promise<number> => {
  const [line = ''] = await ok(here, `STATUS ${folder} (MESSAGES)`);
  return Number(/MESSAGES (\d+)/.exec(line)?.[1]);
};

describe('the other worker', () => {
  test('lists what is there and nothing else', async () => {
    await ok(here, 'CREATE New');
    await ok(here, 'RENAME A A2');
    await ok(here, 'DELETE B');
    const listed = await ok(there, 'LIST "" "*" RETURN (STATUS (MESSAGES))');
    expect(listed.filter((line) => /"(New|A2)"/.test(line))).toEqual([
      '* LIST (\\HasNoChildren) "/" "A2"',
      '* STATUS "A2" (MESSAGES 0)',
      '* LIST (\\HasNoChildren) "/" "New"',
      '* STATUS "New" (MESSAGES 0)',
    ]);
    expect(listed.filter((line) => /"(A|B)"/.test(line))).toEqual([]);
  });

  test('opens and counts what is there and nothing else', async () => {
    await ok(here, 'CREATE New');
    await ok(there, 'SELECT New');
    await ok(here, 'RENAME A A2');
    expect((await run(there, 'SELECT A')).tagged).toMatch(/^NO \[NONEXISTENT\]/);
    await ok(here, 'DELETE B');
    expect((await run(there, 'STATUS B (MESSAGES)')).tagged).toMatch(/^NO \[NONEXISTENT\]/);
    expect((await run(there, 'EXAMINE B')).tagged).toMatch(/^NO \[NONEXISTENT\]/);
    await ok(there, 'EXAMINE A2');
  });

  test.each([
    ['small', 20],
    ['large', 300_000],
  ])('puts a %s message where the name is now', async (_, size) => {
    const text = message(size);
    await ok(here, 'RENAME A A2');
    await ok(here, 'RENAME B A');
    await ok(there, append('A', text));
    expect([await messagesIn('A'), await messagesIn('A2')]).toEqual([1, 0]);
    await ok(here, 'DELETE A');
    await ok(here, 'CREATE A');
    await ok(there, append('A', text));
    expect(await messagesIn('A')).toBe(1);
    await ok(here, 'SELECT A');
    const read = await ok(here, 'FETCH 1 (FLAGS BODY.PEEK[])');
    expect(read.join('\r\n')).toContain(text);
    expect(read.join()).toMatch(/\\Seen.*\$Work/);
    await ok(here, 'UNSELECT');
    await ok(here, 'RENAME A A3');
    expect((await run(there, append('A', text))).tagged).toMatch(/^NO \[TRYCREATE\]/);
    expect(await messagesIn('A3')).toBe(1);
    // Nothing is kept of what was refused.
    expect(await messagesIn('A2')).toBe(0);
  });

  test('copies to where the name is now, or says TRYCREATE', async () => {
    await ok(there, append('INBOX', message(20)));
    await ok(there, 'SELECT INBOX');
    await ok(here, 'RENAME A A2');
    expect((await run(there, 'COPY 1 A')).tagged).toMatch(/^NO \[TRYCREATE\]/);
    await ok(here, 'RENAME B A');
    await ok(there, 'COPY 1 A');
    expect([await messagesIn('A'), await messagesIn('A2')]).toEqual([1, 0]);
    await ok(here, 'DELETE A2');
    // Also when there is nothing to copy.
    expect((await run(there, 'UID COPY 99 A2')).tagged).toMatch(/^NO \[TRYCREATE\]/);
    expect((await run(there, 'UID COPY 99 A')).tagged).toMatch(/^OK/);
    await ok(here, 'RENAME A A4');
    expect((await run(there, 'MOVE 1 A')).tagged).toMatch(/^NO \[TRYCREATE\]/);
    expect(await messagesIn('INBOX')).toBe(1);
    await ok(there, 'MOVE 1 A4');
    expect([await messagesIn('A4'), await messagesIn('INBOX')]).toEqual([2, 0]);
  });

  test('leaves no error in the log', () => {
    expect(stage.log.entries.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
