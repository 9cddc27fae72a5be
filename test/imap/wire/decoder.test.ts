// Command arguments from text to values, by tables; what is not in the grammar throws GrammarError.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Decoder } from '../../../src/imap/wire/decoder.ts';
import { formatDateTime } from '../../../src/imap/wire/decode-date.ts';
import { GrammarError } from '../../../src/imap/wire/grammar-error.ts';
import { ImapError } from '../../../src/imap/wire/imap-error.ts';
import { read, readers } from './argument-readers.ts';
import { wireOf } from './wire-text.ts';

const item = (section: object, more: object = {}): object => ({
  kind: 'section',
  label: 'BODY',
  section,
  partial: null,
  peek: false,
  ...more,
});
const none = { changedSince: null, vanished: false };

describe('primitives', () => {
  const dec = (text: string): Decoder => new Decoder(wireOf(text));

  test('strings of every kind come out as bytes', () => {
    const d = dec('atom]x "q \\" \\\\ é" {3+}\r\na\r\n nil NIL');
    expect(d.expectAstringText()).toBe('atom]x');
    d.expectSp();
    expect(d.expectAstringText()).toBe('q " \\ é');
    d.expectSp();
    expect(d.expectAstringText()).toBe('a\r\n');
    d.expectSp();
    expect(d.expectNstring()).toBeNull();
    d.expectSp();
    expect(d.expectAstringText()).toBe('NIL');
    expect(d.atEnd()).toBe(true);
  });

  test('errors name the byte position, literals counted', () => {
    const d = dec('"ab" {2+}\r\nxy (');
    d.expectString();
    d.expectSp();
    d.expectString();
    d.expectSp();
    let position = -1;
    try {
      d.expectAtom();
    } catch (error) {
      if (error instanceof GrammarError) position = error.position;
    }
    expect(position).toBe(8);
  });

  test('a try that fails reads nothing', () => {
    const d = dec('(a b');
    expect(d.attempt(() => d.list(() => d.expectAtom()))).toBeNull();
    expect(d.special('(')).toBe(true);
  });

  test.each(['"a', '"a\\', '"a\0"', '{2+}\r\n\0\0'])('refuses the string %j', (text) => {
    expect(() => dec(text).expectString()).toThrow(GrammarError);
  });

  test('numbers keep to 32 and 53 bits', () => {
    expect(dec('4294967295').number()).toBe(4294967295);
    expect(() => dec('4294967296').number()).toThrow(GrammarError);
    expect(dec('9007199254740991').number64()).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => dec('9007199254740992').number64()).toThrow(GrammarError);
  });
});

describe('FETCH arguments', () => {
  test.each<[string, object[]]>([
    ['FLAGS', [{ kind: 'flags' }]],
    ['(uid flags UID)', [{ kind: 'uid' }, { kind: 'flags' }]],
    ['BODY', [{ kind: 'bodystructure', extensible: false }]],
    ['BODYSTRUCTURE', [{ kind: 'bodystructure', extensible: true }]],
    ['BODY[]', [item({ part: [], text: 'all' })]],
    ['body.peek[]', [item({ part: [], text: 'all' }, { peek: true })]],
    [
      'BODY.PEEK[1]<0.393216>',
      [item({ part: [1], text: 'all' }, { peek: true, partial: { offset: 0, count: 393216 } })],
    ],
    ['BODY[1.2.MIME]', [item({ part: [1, 2], text: 'mime' })]],
    ['BODY[4.2.HEADER]', [item({ part: [4, 2], text: 'header' })]],
    ['BODY[TEXT]', [item({ part: [], text: 'text' })]],
    [
      'BODY[HEADER.FIELDS (From "To")]',
      [item({ part: [], text: 'header.fields', fields: ['From', 'To'] })],
    ],
    [
      'BODY[3.HEADER.FIELDS.NOT (X)]',
      [item({ part: [3], text: 'header.fields.not', fields: ['X'] })],
    ],
    ['RFC822', [item({ part: [], text: 'all' }, { label: 'RFC822' })]],
    ['rfc822.peek', [item({ part: [], text: 'all' }, { label: 'RFC822', peek: true })]],
    ['RFC822.HEADER', [item({ part: [], text: 'header' }, { label: 'RFC822.HEADER', peek: true })]],
    ['RFC822.TEXT', [item({ part: [], text: 'text' }, { label: 'RFC822.TEXT' })]],
    ['BINARY[1.2]', [{ kind: 'binary', part: [1, 2], partial: null, peek: false }]],
    [
      'BINARY.PEEK[]<5.1>',
      [{ kind: 'binary', part: [], partial: { offset: 5, count: 1 }, peek: true }],
    ],
    ['BINARY.SIZE[2]', [{ kind: 'binary.size', part: [2] }]],
    ['FAST', [{ kind: 'flags' }, { kind: 'internaldate' }, { kind: 'rfc822.size' }]],
    ['(UID MODSEQ)', [{ kind: 'uid' }, { kind: 'modseq' }]],
  ])('%s', (text, items) => {
    expect(read('fetch', text)).toEqual({ items, modifiers: none });
  });

  test('reads modifiers, and CHANGEDSINCE 0 of iOS', () => {
    expect(read('fetch', '(FLAGS) (CHANGEDSINCE 0)')).toMatchObject({
      modifiers: { changedSince: 0, vanished: false },
    });
    expect(read('fetch', 'FLAGS (CHANGEDSINCE 12 VANISHED)')).toMatchObject({
      modifiers: { changedSince: 12, vanished: true },
    });
  });

  test('ALL and FULL hold what RFC 9051 says', () => {
    const kinds = (text: string): string[] =>
      (read('fetch', text) as { items: { kind: string }[] }).items.map((i) => i.kind);
    expect(kinds('ALL')).toEqual(['flags', 'internaldate', 'rfc822.size', 'envelope']);
    expect(kinds('FULL')).toEqual([...kinds('ALL'), 'bodystructure']);
  });

  test.each([
    '',
    '()',
    'FOO',
    'BODY[',
    'BODY[1.]',
    'BODY[0]',
    'BODY[MIME]',
    'BODY[HEADER.FIELDS]',
    'BODY[HEADER.FIELDS ()]',
    'BODY[HEADER.FIELDS (a:b)]',
    'BODY[HEADER.FIELDS ("a\tb")]',
    'BODY[]<0>',
    'BODY[]<0.0>',
    'BODY[]<1.2',
    'BINARY[TEXT]',
    'FLAGS UID',
    '(FLAGS',
    'FLAGS (FOO 1)',
    `BODY[${'1.'.repeat(70)}1]`,
  ])('refuses %j', (text) => {
    expect(() => read('fetch', text)).toThrow(GrammarError);
  });
});

describe('other arguments', () => {
  test.each<[keyof typeof readers, string, unknown]>([
    ['store', 'FLAGS ()', { operation: 'set', silent: false, flags: [], unchangedSince: null }],
    [
      'store',
      '(UNCHANGEDSINCE 12) +flags.silent (\\deleted $x \\Recent \\Deleted)',
      { operation: 'add', silent: true, flags: ['\\Deleted', '$x'], unchangedSince: 12 },
    ],
    [
      'store',
      '-FLAGS \\Seen foo',
      { operation: 'remove', silent: false, flags: ['\\Seen', 'foo'], unchangedSince: null },
    ],
    ['status', '(messages SIZE MESSAGES)', ['MESSAGES', 'SIZE']],
    ['select', 'inbox', { mailbox: 'INBOX', condstore: false, qresync: null }],
    ['select', 'x (CONDSTORE)', { mailbox: 'x', condstore: true, qresync: null }],
    [
      'select',
      'x (QRESYNC (67890007 90060115194045000 41:211 (1,3 4:5)))'.replace(
        '90060115194045000',
        '45',
      ),
      {
        mailbox: 'x',
        condstore: false,
        qresync: {
          uidValidity: 67890007,
          modSeq: 45,
          knownUids: [{ low: 41, high: 211 }],
          match: {
            seqs: [
              { low: 1, high: 1 },
              { low: 3, high: 3 },
            ],
            uids: [{ low: 4, high: 5 }],
          },
        },
      },
    ],
    [
      'append',
      'saved (\\Seen x) "17-Jul-1996 02:44:25 -0700" ',
      {
        mailbox: 'saved',
        flags: ['\\Seen', 'x'],
        date: { at: Date.UTC(1996, 6, 17, 9, 44, 25), zoneMinutes: -420 },
      },
    ],
    ['append', 'saved ', { mailbox: 'saved', flags: [], date: null }],
    ['id', 'NIL', new Map()],
    [
      'id',
      '("Name" "x" "os" NIL)',
      new Map([
        ['name', 'x'],
        ['os', null],
      ]),
    ],
    ['date', '"29-Feb-2024"', 19782],
    ['base64', '=', new Uint8Array(0)],
    ['base64', 'AGEAYg==', Uint8Array.of(0, 97, 0, 98)],
  ])('%s %s', (kind, text, expected) => {
    expect(read(kind, text)).toEqual(expected);
  });

  test.each<[keyof typeof readers, string]>([
    ['store', 'FLAGS'],
    ['store', 'FLAGS (\\Foo)'],
    ['store', 'FLOGS ()'],
    ['store', '(UNCHANGEDSINCE) FLAGS ()'],
    ['status', '()'],
    ['status', '(FOO)'],
    ['select', 'x (FOO)'],
    ['select', 'x (QRESYNC (0 1))'],
    ['select', 'x (QRESYNC (1 1 1:*))'],
    ['append', 'x "32-Jan-2020 00:00:00 +0000" '],
    ['append', 'x "1-Jan-2020 25:00:00 +0000" '],
    ['id', '("a")'],
    ['id', `(${'"a" "b" '.repeat(1)}"${'x'.repeat(31)}" "y")`],
    ['base64', 'AGE'],
    ['base64', 'A=GE'],
  ])('%s refuses %s', (kind, text) => {
    expect(() => read(kind, text)).toThrow(GrammarError);
  });

  test('LIST in the plain and the extended form', () => {
    expect(read('list', '"" "*"')).toMatchObject({ extended: false, patterns: ['*'] });
    expect(read('list', '"" %')).toMatchObject({ extended: false, patterns: ['%'] });
    expect(
      read('list', '(SUBSCRIBED RECURSIVEMATCH) "" (INBOX "a/%") RETURN (CHILDREN STATUS (SIZE))'),
    ).toEqual({
      extended: true,
      select: { subscribed: true, remote: false, recursiveMatch: true, specialUse: false },
      reference: '',
      patterns: ['INBOX', 'a/%'],
      returns: { subscribed: false, children: true, specialUse: false, status: ['SIZE'] },
    });
    for (const bad of ['""', '(FOO) "" *', '(RECURSIVEMATCH) "" *', '"" * RETURN (FOO)', '"" ()']) {
      expect(() => read('list', bad)).toThrow(GrammarError);
    }
  });

  test('written date-times read back', () => {
    fc.assert(
      fc.property(fc.integer({ min: -2e12, max: 8e12 }), (at) => {
        const whole = at - (((at % 1000) + 1000) % 1000);
        const text = `"${formatDateTime(whole as Parameters<typeof formatDateTime>[0])}"`;
        expect(read('dateTime', text)).toEqual({ at: whole, zoneMinutes: 0 });
      }),
      { seed: 7 },
    );
  });
});

describe('hostile input', () => {
  test('random and mangled commands throw nothing but GrammarError and ImapError', () => {
    const words = fc.constantFrom(
      ...'( ) [ ] < > " {3+}\r\nabc ~{1+}\r\n\0 NIL \\Seen BODY[ HEADER.FIELDS 1:* $ , UID OR NOT'.split(
        ' ',
      ),
      ...'RETURN CHARSET MODSEQ FLAGS +FLAGS CONDSTORE QRESYNC 4294967296 1-Feb-1994'.split(' '),
      ' ',
      '\\',
    );
    const input = fc.oneof(
      fc.array(words, { maxLength: 14 }).map((w) => Buffer.from(w.join(''), 'latin1')),
      fc.array(words, { maxLength: 14 }).map((w) => Buffer.from(w.join(' '), 'latin1')),
      fc.uint8Array({ maxLength: 60 }),
    );
    const kinds = Object.keys(readers) as (keyof typeof readers)[];
    fc.assert(
      fc.property(input, fc.constantFrom(...kinds), (bytes, kind) => {
        try {
          read(kind, bytes);
        } catch (error) {
          if (error instanceof GrammarError || error instanceof ImapError) return;
          throw error;
        }
      }),
      { seed: 7, numRuns: 3000 },
    );
  });
});
