// FETCH of messages of which one cannot be opened: the others are told, in every way a line is made, and
// only then the command fails (RFC 9051 §6.4.5: a server may answer NO when data cannot be fetched).
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { tamper } from '../archive/tamper.ts';
import { Client } from '../wire/transcript.ts';
import { type ImapStage, openImapStage } from './stage.ts';

let stage: ImapStage;
let client: Client;
beforeAll(async () => {
  stage = await openImapStage();
  const { name, password } = await stage.newAccount();
  client = await Client.open(stage.secure);
  await client.command('l', `LOGIN ${name} "${password}"`);
  for (const subject of ['one', 'two', 'three']) {
    const message = `Subject: ${subject}\r\n\r\nhello\r\n`;
    client.send(`a APPEND INBOX {${message.length}+}\r\n${message}\r\n`);
    await client.until('a');
  }
  await tamper(
    stage.db.database.pool,
    'metadata_cell',
    `UPDATE metadata_cell SET cell = set_byte(cell, 90, get_byte(cell, 90) # 1)
      WHERE (custodian_id, record_id) IN (SELECT custodian_id, record_id FROM message WHERE uid = 2)`,
    [],
  );
  await client.command('s', 'SELECT INBOX');
}, 120_000);
afterAll(async () => {
  client.close();
  await stage.close();
});

/** Twice, since what was opened is told from memory the second time. */
async function twice(command: string): Promise<string> {
  const [first, again] = [await client.command('f', command), await client.command('f', command)];
  expect(again).toEqual(first);
  return first.join('\n');
}

test('flags and facts are told of all', async () => {
  expect(await twice('FETCH 1:3 (UID RFC822.SIZE)')).toMatch(
    /^\* 1 FETCH \(UID 1 RFC822.SIZE 23\)\n\* 2 FETCH \(UID 2 RFC822.SIZE 23\)\n\* 3 FETCH \(UID 3 RFC822.SIZE 25\)\nf OK/,
  );
});

test('what needs no body', async () => {
  const envelope = (subject: string) =>
    `ENVELOPE (NIL "${subject}" NIL NIL NIL NIL NIL NIL NIL NIL)`;
  const told = await twice('FETCH 1:3 (UID ENVELOPE)');
  expect(told.split('\n').slice(0, 2)).toEqual([
    `* 1 FETCH (UID 1 ${envelope('one')})`,
    `* 3 FETCH (UID 3 ${envelope('three')})`,
  ]);
  expect(told.split('\n')[2]).toMatch(/^f NO \[CORRUPTION\]/);
});

test('what needs a body', async () => {
  const told = await twice('FETCH 1:3 (ENVELOPE BODY.PEEK[TEXT])');
  expect(told.match(/^\* \d FETCH|^f NO \[CORRUPTION\]/gmu)).toEqual([
    '* 1 FETCH',
    '* 3 FETCH',
    'f NO [CORRUPTION]',
  ]);
  expect(told.match(/BODY\[TEXT\] \{7\}\nhello\n\)/gu)).toHaveLength(2);
});

test('only what was told is marked as seen, and says so once', async () => {
  const command = 'FETCH 1:3 BODY[HEADER.FIELDS (Subject)]';
  const seen = await client.command('f', command);
  expect(seen.join('\n')).toMatch(
    /^\* 1 FETCH \(BODY\[HEADER\.FIELDS \(Subject\)\] \{16\}\nSubject: one\n\n FLAGS \(\\Seen[^)]*\)\)\n\* 3 FETCH .*\nSubject: three\n\n FLAGS \(\\Seen[^)]*\)\)\nf NO \[CORRUPTION\]/,
  );
  expect((await client.command('f', command)).join('\n')).toMatch(
    /^\* 1 FETCH \(BODY\[HEADER\.FIELDS \(Subject\)\] \{16\}\nSubject: one\n\n\)\n\* 3 FETCH /,
  );
  const flags = await client.command('g', 'FETCH 1:3 FLAGS');
  expect(flags.map((line) => line.includes('\\Seen'))).toEqual([true, false, true, false]);
});
