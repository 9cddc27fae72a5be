// Every conversation of this folder, played against the whole server.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ImapStage, openImapStage } from '../imap/stage.ts';
import { play } from './transcript.ts';

let stage: ImapStage;
beforeAll(async () => {
  stage = await openImapStage();
});
afterAll(async () => {
  await stage.close();
});

const scripts = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.imap'));

describe('conversations', () => {
  test.each(scripts)('%s', async (name) => {
    const { name: user, password } = await stage.newAccount();
    const script = readFileSync(join(import.meta.dirname, name), 'utf8');
    await play(script, stage.secure, { user, password: `"${password}"` });
    expect(stage.log.entries.filter(({ level }) => level === 'error')).toEqual([]);
  });
});
