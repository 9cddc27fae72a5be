// SEARCH keys against messages in every state of knowledge: what the answer is, and when it is known.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { evaluateSearch, searchNeed, type SearchedMessage } from '../../../src/imap/query/index.ts';
import type { SearchKey } from '../../../src/imap/wire/search-key.ts';
import { uidSetOf } from '../../../src/imap/wire/num-set.ts';
import type { ModSeq, Uid } from '../../../src/kernel/ids.ts';
import type { UnixMs } from '../../../src/kernel/time.ts';
import { parseMessage } from '../../../src/mime/parser.ts';
import { extractUsualHeaderLines } from '../../../src/mime/usual-fields.ts';

const day = (text: string): number => Date.parse(`${text}T00:00:00Z`) / 86_400_000;
const at = (text: string): UnixMs => Date.parse(text) as UnixMs;
const flags: ReadonlySet<string> = new Set(['\\seen', '$forwarded']);

type Level = 'none' | 'facts' | 'metadata' | 'body';

function known(bytes: Buffer, level: Level): SearchedMessage {
  const parsed = parseMessage(bytes);
  const message: SearchedMessage = {
    uid: 7 as Uid,
    modSeq: 40 as ModSeq,
    recent: false,
    now: at('2024-03-10T12:00:00Z'),
    hasFlag: (flag) => flags.has(flag.toLowerCase()),
    inSet: (set) =>
      set.kind === 'uid' && set.written.some(({ low, high }) => low <= 7 && 7 <= high),
  };
  const facts = { size: bytes.length, internalDate: at('2024-03-10T11:00:00Z') };
  const metadata = {
    headerLines: extractUsualHeaderLines(parsed),
    structure: parsed,
  };
  if (level === 'none') return message;
  if (level === 'facts') return { ...message, facts };
  return level === 'metadata'
    ? { ...message, facts, metadata }
    : { ...message, facts, metadata, body: bytes };
}

const octets = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
const mail = Buffer.from(
  [
    'Received: from relay.example',
    'Date: Sat, 9 Mar 2024 23:30:00 -0500',
    'From: =?utf-8?Q?J=C3=BCrgen_M=C3=BCller?= <juergen@example.org>',
    'To: "Bob, the Builder" <bob@example.com>',
    'Cc:',
    'Subject: Angebot fuer',
    ' =?utf-8?B?5Lit5paH?= =?utf-8?B?5rWL6K+V?=',
    'X-Custom: =?utf-8?Q?Stra=C3=9Fe?=',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    'Sch=C3=B6ne Gr=C3=BC=C3=9Fe aus Wie=',
    'n',
    '--b',
    'Content-Type: text/html; charset=gbk',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.concat([
      Buffer.from('<p>ge<b>heim</b> <a href="http://link.example">'),
      Buffer.from([0xd6, 0xd0]),
      Buffer.from('</a>'),
    ]).toString('base64'),
    '--b',
    'Content-Type: application/pdf; name="=?utf-8?Q?=C3=9Cbersicht.pdf?="',
    'Content-Transfer-Encoding: base64',
    '',
    'c2VjcmV0',
    '--b',
    'Content-Type: message/rfc822',
    '',
    'Subject: forwarded thing',
    '',
    octets('inner text'),
    '--b--',
    '',
  ].join('\r\n'),
  'latin1',
);

const header = (field: string, value: string): SearchKey => ({ kind: 'header', field, value });
const text = (value: string): SearchKey => ({ kind: 'text', value });
const body = (value: string): SearchKey => ({ kind: 'body', value });
const sent = (is: 'before' | 'on' | 'since', date: string): SearchKey => ({
  kind: 'sentdate',
  is,
  day: day(date),
});
const received = (is: 'before' | 'on' | 'since', date: string): SearchKey => ({
  kind: 'internaldate',
  is,
  day: day(date),
});
const yes: SearchKey = { kind: 'all' };
const no: SearchKey = { kind: 'not', key: yes };

describe('evaluateSearch', () => {
  test.each<[name: string, key: SearchKey, expected: boolean, from: Level]>([
    ['ALL', yes, true, 'none'],
    ['UID 5:9', { kind: 'set', set: uidSetOf([{ low: 5, high: 9 }]) }, true, 'none'],
    ['SEEN', { kind: 'flag', flag: '\\Seen', present: true }, true, 'none'],
    ['UNSEEN', { kind: 'flag', flag: '\\Seen', present: false }, false, 'none'],
    ['KEYWORD', { kind: 'flag', flag: '$FORWARDED', present: true }, true, 'none'],
    ['UNKEYWORD', { kind: 'flag', flag: '$Junk', present: false }, true, 'none'],
    ['RECENT', { kind: 'recent', present: true }, false, 'none'],
    ['OLD', { kind: 'recent', present: false }, true, 'none'],
    ['MODSEQ 40', { kind: 'modseq', atLeast: 40 }, true, 'none'],
    ['MODSEQ 41', { kind: 'modseq', atLeast: 41 }, false, 'none'],
    ['LARGER', { kind: 'size', is: 'larger', octets: mail.length - 1 }, true, 'facts'],
    ['LARGER than itself', { kind: 'size', is: 'larger', octets: mail.length }, false, 'facts'],
    ['SMALLER than itself', { kind: 'size', is: 'smaller', octets: mail.length }, false, 'facts'],
    ['ON', received('on', '2024-03-10'), true, 'facts'],
    ['BEFORE the day', received('before', '2024-03-10'), false, 'facts'],
    ['SINCE the day', received('since', '2024-03-10'), true, 'facts'],
    ['OLDER 3600', { kind: 'within', is: 'older', seconds: 3_600 }, true, 'facts'],
    ['OLDER 3601', { kind: 'within', is: 'older', seconds: 3_601 }, false, 'facts'],
    ['YOUNGER 3600', { kind: 'within', is: 'younger', seconds: 3_600 }, true, 'facts'],
    ['YOUNGER 3599', { kind: 'within', is: 'younger', seconds: 3_599 }, false, 'facts'],
    ['SENTON the day of the sender', sent('on', '2024-03-09'), true, 'metadata'],
    ['SENTBEFORE', sent('before', '2024-03-10'), true, 'metadata'],
    ['SENTSINCE', sent('since', '2024-03-10'), false, 'metadata'],
    ['FROM decoded, in any case', header('From', 'JÜRGEN m'), true, 'metadata'],
    ['FROM decomposed', header('From', 'Ju\u0308rgen'), true, 'metadata'],
    ['FROM an address', header('FROM', 'juergen@EXAMPLE'), true, 'metadata'],
    ['TO over a comma', header('To', 'bob, the'), true, 'metadata'],
    ['SUBJECT over a fold and two words', header('Subject', 'fuer 中文测试'), true, 'metadata'],
    ['SUBJECT that is not there', header('Subject', 'nothing'), false, 'metadata'],
    ['the encoded form is not the text', header('Subject', '=?utf-8?'), false, 'metadata'],
    ['HEADER presence', header('Cc', ''), true, 'metadata'],
    ['HEADER absence', header('Bcc', ''), false, 'metadata'],
    ['HEADER unusual', header('X-Custom', 'strasse'), true, 'body'],
    ['HEADER unusual presence', header('Received', ''), true, 'body'],
    ['HEADER unusual absence', header('X-None', ''), false, 'body'],
    ['BODY decoded over a soft break', body('grüße AUS wien'), true, 'body'],
    ['BODY of HTML as it reads', body('geheim'), true, 'body'],
    ['BODY of HTML as it is written', body('link.example'), true, 'body'],
    ['BODY in another charset', body('中'), true, 'body'],
    ['BODY has no header', body('Angebot'), false, 'body'],
    ['BODY has no MIME header', body('quoted-printable'), false, 'body'],
    ['BODY has file names', body('übersicht.pdf'), true, 'body'],
    ['BODY has the headers of embedded messages', body('forwarded thing'), true, 'body'],
    ['BODY has embedded text', body('inner text'), true, 'body'],
    ['BODY has no binary', body('secret'), false, 'body'],
    ['BODY empty', body(''), true, 'none'],
    ['TEXT in the usual fields', text('angebot'), true, 'metadata'],
    ['TEXT in another field', text('RELAY.example'), true, 'body'],
    ['TEXT by name and value', text('x-custom: strasse'), true, 'body'],
    ['TEXT in the body', text('schöne'), true, 'body'],
    ['TEXT in MIME headers', text('quoted-printable'), true, 'body'],
    ['TEXT nowhere', text('nowhere at all'), false, 'body'],
    ['NOT', { kind: 'not', key: body('wien') }, false, 'body'],
    ['OR', { kind: 'or', left: no, right: header('To', 'bob') }, true, 'metadata'],
    ['OR decided early', { kind: 'or', left: body('x'), right: yes }, true, 'none'],
    ['AND', { kind: 'and', keys: [yes, body('wien'), header('From', 'example')] }, true, 'body'],
    ['AND decided early', { kind: 'and', keys: [body('wien'), no] }, false, 'none'],
    [
      'NOT of AND',
      { kind: 'not', key: { kind: 'and', keys: [body('wien'), header('From', 'nobody')] } },
      true,
      'metadata',
    ],
  ])('%s', (_name, key, expected, from) => {
    const levels: Level[] = ['none', 'facts', 'metadata', 'body'];
    const verdicts = levels.map((level) => evaluateSearch(key, known(mail, level)));
    const first = levels.indexOf(from);
    expect(verdicts).toEqual(levels.map((_, i) => (i < first ? undefined : expected)));
    expect(levels.indexOf(searchNeed(key))).toBeGreaterThanOrEqual(first);
  });

  test('finds nothing by sent date where there is none', () => {
    const undated = known(Buffer.from('Date: soon\r\n\r\n'), 'body');
    for (const is of ['before', 'on', 'since'] as const) {
      expect(evaluateSearch(sent(is, '2024-01-01'), undated)).toBe(false);
    }
  });

  test('looks into the original where the header was too long for the cell', () => {
    const long = Buffer.from(
      `X-Long: ${'x'.repeat(1_100_000)}\r\nSubject: behind\r\nDate: 1 Jan 2024\r\n\r\nbody`,
    );
    const key = header('Subject', 'behind');
    expect(evaluateSearch(key, known(long, 'metadata'))).toBeUndefined();
    expect(evaluateSearch(key, known(long, 'body'))).toBe(true);
    expect(evaluateSearch(sent('on', '2024-01-01'), known(long, 'body'))).toBe(true);
  });

  test('reads bare 8-bit headers in the charset of the text', () => {
    const raw = Buffer.from(
      'Subject: \xd6\xd0\xce\xc4\r\nContent-Type: text/plain; charset=gb2312\r\n\r\n',
      'latin1',
    );
    expect(evaluateSearch(header('Subject', '中文'), known(raw, 'metadata'))).toBe(true);
  });

  test('finds the text of messages that have no parts, or stay closed', () => {
    const preamble = Buffer.from(
      'Content-Type: multipart/mixed; boundary=b\r\n\r\nonly a preamble',
    );
    expect(evaluateSearch(body('preamble'), known(preamble, 'body'))).toBe(true);
    const closed = Buffer.from(
      'Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDogaGlkZGVu',
    );
    expect(evaluateSearch(body('hidden'), known(closed, 'body'))).toBe(true);
  });

  test('more knowledge never takes a verdict back, and the original decides everything', () => {
    const leaf = fc.constantFrom<SearchKey>(
      yes,
      no,
      header('From', 'example'),
      header('X-Custom', 'a'),
      body('wien'),
      text('bob'),
      sent('on', '2024-03-09'),
      received('on', '2024-03-11'),
      { kind: 'flag', flag: '\\Seen', present: true },
    );
    const { key } = fc.letrec<{ key: SearchKey }>((tie) => ({
      key: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        leaf,
        tie('key').map((inner): SearchKey => ({ kind: 'not', key: inner })),
        fc
          .tuple(tie('key'), tie('key'))
          .map(([left, right]): SearchKey => ({ kind: 'or', left, right })),
        fc
          .array(tie('key'), { minLength: 1, maxLength: 3 })
          .map((keys): SearchKey => ({ kind: 'and', keys })),
      ),
    }));
    const levels = (['none', 'facts', 'metadata', 'body'] as const).map((level) =>
      known(mail, level),
    );
    fc.assert(
      fc.property(key, (search) => {
        const verdicts = levels.map((message) => evaluateSearch(search, message));
        const last = verdicts.at(-1);
        expect(typeof last).toBe('boolean');
        for (const verdict of verdicts)
          expect(verdict === undefined || verdict === last).toBe(true);
        const need = (['none', 'facts', 'metadata', 'body'] as const).indexOf(searchNeed(search));
        expect(verdicts[need]).toBe(last);
      }),
      { seed: 20261124, numRuns: 500 },
    );
  });
});
