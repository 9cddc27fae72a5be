// SEARCH arguments from text to the typed tree.
import { describe, expect, test } from '@jest/globals';
import { GrammarError } from '../../../src/imap/wire/grammar-error.ts';
import { ImapError } from '../../../src/imap/wire/imap-error.ts';
import { read } from './argument-readers.ts';

describe('SEARCH arguments', () => {
  const key = (text: string): unknown => (read('search', text) as { key: unknown }).key;

  test.each<[string, object]>([
    ['ALL', { kind: 'all' }],
    ['1:3', { kind: 'set', set: { kind: 'seq', written: [{ low: 1, high: 3 }] } }],
    ['UID 7', { kind: 'set', set: { kind: 'uid', written: [{ low: 7, high: 7 }] } }],
    ['$', { kind: 'set', set: { kind: 'saved' } }],
    ['unseen', { kind: 'flag', flag: '\\Seen', present: false }],
    ['KEYWORD $Junk', { kind: 'flag', flag: '$Junk', present: true }],
    ['OLD', { kind: 'recent', present: false }],
    ['FROM "Smith"', { kind: 'header', field: 'From', value: 'Smith' }],
    ['HEADER X-Foo ""', { kind: 'header', field: 'X-Foo', value: '' }],
    ['SUBJECT {6+}\r\nüöä', { kind: 'header', field: 'Subject', value: 'üöä' }],
    ['BODY x', { kind: 'body', value: 'x' }],
    ['BEFORE 1-Feb-1994', { kind: 'internaldate', is: 'before', day: 8797 }],
    ['SENTSINCE "01-feb-1994"', { kind: 'sentdate', is: 'since', day: 8797 }],
    ['LARGER 10', { kind: 'size', is: 'larger', octets: 10 }],
    ['YOUNGER 60', { kind: 'within', is: 'younger', seconds: 60 }],
    ['MODSEQ 620', { kind: 'modseq', atLeast: 620 }],
    ['MODSEQ "/flags/\\\\draft" all 620', { kind: 'modseq', atLeast: 620 }],
    ['NOT SEEN', { kind: 'not', key: { kind: 'flag', flag: '\\Seen', present: true } }],
    ['OR ALL (ALL)', { kind: 'or', left: { kind: 'all' }, right: { kind: 'all' } }],
    [
      '(ALL ALL) ALL',
      {
        kind: 'and',
        keys: [{ kind: 'and', keys: [{ kind: 'all' }, { kind: 'all' }] }, { kind: 'all' }],
      },
    ],
  ])('%s', (text, expected) => {
    expect(key(text)).toEqual(expected);
  });

  test('result options: none, empty, several', () => {
    expect(read('search', 'ALL')).toMatchObject({ returns: null, usesModSeq: false });
    expect(read('search', 'RETURN () ALL')).toMatchObject({ returns: { all: true, save: false } });
    expect(read('search', 'RETURN (MIN COUNT SAVE) MODSEQ 1')).toMatchObject({
      returns: { min: true, max: false, all: false, count: true, save: true },
      usesModSeq: true,
    });
  });

  test('texts are read in the charset that the client names', () => {
    const text = Buffer.concat([Buffer.from('CHARSET iso-8859-1 TEXT {1+}\r\n'), Buffer.of(0xe9)]);
    expect((read('search', text) as { key: unknown }).key).toEqual({ kind: 'text', value: 'é' });
    expect(key('CHARSET US-ASCII TEXT a')).toEqual({ kind: 'text', value: 'a' });
  });

  test('an unknown charset is NO [BADCHARSET], not a grammar error', () => {
    let code: string | null = null;
    try {
      read('search', 'CHARSET x-none ALL');
    } catch (error) {
      if (error instanceof ImapError) code = error.code;
    }
    expect(code).toBe('BADCHARSET (UTF-8 US-ASCII)');
  });

  test.each([
    '',
    'FOO',
    'NOT',
    'OR ALL',
    '()',
    'BEFORE 31-Feb-1994',
    'BEFORE 1-Foo-1994',
    'ON 1-anF-1994',
    'RETURN (FOO) ALL',
    'RETURN (ALL)',
    'LARGER -1',
    'YOUNGER 0',
    'MODSEQ x',
    'KEYWORD \\Seen',
    'ALL )',
    `${'NOT '.repeat(70)}ALL`,
    `${'('.repeat(70)}ALL${')'.repeat(70)}`,
    'ALL '.repeat(5000),
  ])('refuses %.40j', (text) => {
    expect(() => read('search', text)).toThrow(GrammarError);
  });
});
