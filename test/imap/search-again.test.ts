// A search that follows another one in the same session opens nothing again, and nothing else changes:
// it has its event, other sessions open for themselves, and a flush ends it at once.
import { readdirSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from '../wire/transcript.ts';
import { type ImapStage, openImapStage } from './stage.ts';

let stage: ImapStage;
const clients: Client[] = [];
beforeAll(async () => {
  stage = await openImapStage();
});
afterAll(async () => {
  for (const client of clients) client.close();
  await stage.close();
});

/** No body can be read from the packs any more. */
function losePacks(): void {
  const files = readdirSync(stage.packs, { recursive: true, encoding: 'utf8' })
    .map((name) => join(stage.packs, name))
    .filter((path) => statSync(path).isFile());
  expect(files.length).toBeGreaterThan(0);
  for (const path of files) truncateSync(path, 0);
}

const searchRuns = async (): Promise<number> =>
  (await stage.events()).filter(({ op }) => op === 'search.run').length;

test('what a session searched stays with it until a flush', async () => {
  const { name, password } = await stage.newAccount();
  const enter = async (): Promise<Client> => {
    const client = await Client.open(stage.secure);
    clients.push(client);
    await client.line();
    await client.command('in', `LOGIN ${name} "${password}"`);
    return client;
  };
  const client = await enter();
  for (const text of ['apple tree', 'pear tree', 'apple pie']) {
    const message = `Subject: x\r\n\r\n${text}\r\n`;
    client.send(`a APPEND INBOX {${message.length}+}\r\n${message}\r\n`);
    await client.until('a');
  }
  await client.command('s', 'SELECT INBOX');
  expect((await client.command('1', 'SEARCH BODY apple'))[0]).toBe('* SEARCH 1 3');
  const before = await searchRuns();
  losePacks();
  expect((await client.command('2', 'SEARCH BODY tree'))[0]).toBe('* SEARCH 1 2');
  expect((await client.command('3', 'SEARCH NOT BODY pear'))[0]).toBe('* SEARCH 1 3');
  expect(await searchRuns()).toBe(before + 2);

  const other = await enter();
  await other.command('s', 'SELECT INBOX');
  expect((await other.command('1', 'SEARCH BODY tree')).at(-1)).toMatch(/^1 NO /);

  stage.flushCaches();
  expect((await client.command('4', 'SEARCH BODY tree')).at(-1)).toMatch(/^4 NO /);
});
