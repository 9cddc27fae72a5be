// Large messages are searched in a worker, with the same answer as in the thread itself.
import { afterAll, describe, expect, test } from '@jest/globals';
import { evaluateSearch, type SearchedMessage } from '../../src/imap/query/index.ts';
import { decideKnown, SearchPool } from '../../src/imap/search-pool.ts';
import type { SearchKey } from '../../src/imap/wire/search-key.ts';
import type { ModSeq, Uid } from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import { parseMessage } from '../../src/mime/parser.ts';

const pool = new SearchPool();
afterAll(() => pool.close());

const body = Buffer.from(
  `From: a@example.com\r\nSubject: Large\r\nX-Odd: strange\r\n\r\n${'lorem ipsum\r\n'.repeat(60_000)}needle\r\n`,
);
const parsed = parseMessage(body);
const message: SearchedMessage = {
  uid: 7 as Uid,
  modSeq: 3 as ModSeq,
  recent: false,
  now: 0 as UnixMs,
  hasFlag: (flag) => flag === '\\Seen',
  inSet: () => true,
  facts: { size: body.length, internalDate: 0 as UnixMs },
  metadata: { headerLines: parsed.header, structure: parsed },
  body,
};

const flag = (name: string): SearchKey => ({ kind: 'flag', flag: name, present: true });
const inBody = (value: string): SearchKey => ({ kind: 'body', value });

describe('SearchPool', () => {
  test.each<[string, SearchKey]>([
    ['a word', inBody('NEEDLE')],
    ['a word that is not there', inBody('absent')],
    ['a flag and a word', { kind: 'and', keys: [flag('\\Seen'), inBody('needle')] }],
    ['another flag and a word', { kind: 'and', keys: [flag('\\Draft'), inBody('needle')] }],
    ['neither', { kind: 'not', key: { kind: 'or', left: flag('x'), right: inBody('ipsum') } }],
    ['an odd header', { kind: 'header', field: 'X-Odd', value: 'strange' }],
  ])('finds %s as the thread itself does', async (_what, key) => {
    expect(await pool.evaluate(key, message)).toBe(evaluateSearch(key, message));
  });

  test('is sent nothing but keys about the text', () => {
    const key: SearchKey = { kind: 'and', keys: [flag('\\Seen'), { kind: 'all' }, inBody('x')] };
    expect(decideKnown(key, message)).toEqual({
      kind: 'and',
      keys: [{ kind: 'all' }, { kind: 'all' }, inBody('x')],
    });
  });
});
