// From header octets and encoded bodies to text: addresses, dates, encoded words, charsets, subjects.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseAddressList, type Address } from '../../src/mime/address.ts';
import { baseSubject } from '../../src/mime/base-subject.ts';
import { decodeCharset, knowsCharset } from '../../src/mime/charset.ts';
import { envelopeFields } from '../../src/mime/content-fields.ts';
import { parseDate } from '../../src/mime/date.ts';
import { decodeHeaderText } from '../../src/mime/encoded-word.ts';
import { envelopeOf } from '../../src/mime/envelope.ts';
import { parseParameterised } from '../../src/mime/field-parameters.ts';
import { FieldNames } from '../../src/mime/field-names.ts';
import { headerLines, headerValues } from '../../src/mime/header.ts';
import { htmlText } from '../../src/mime/html-text.ts';
import { decodeParameter, fileNameOf } from '../../src/mime/parameters.ts';
import { parseMessage } from '../../src/mime/parser.ts';
import { previewOf } from '../../src/mime/preview.ts';
import { decodeStructure, encodeStructure } from '../../src/mime/structure.ts';
import { partText } from '../../src/mime/text.ts';
import {
  decodeBase64,
  decodeQuotedPrintable,
  decodeTransfer,
  decodeUuencode,
} from '../../src/mime/transfer-encoding.ts';
import { extractUsualHeaderLines } from '../../src/mime/usual-fields.ts';

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
/** UTF-8 octets as the latin1 text that the parser hands out. */
const octets = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

/** `name|adl|mailbox|host` with `-` for null. */
const shown = (list: readonly Address[]): string[] =>
  list.map(({ name, adl, mailbox, host }) =>
    [name, adl, mailbox, host].map((x) => x ?? '-').join('|'),
  );

describe('parseAddressList', () => {
  test.each<[text: string, expected: string[]]>([
    ['', []],
    ['a@b', ['-|-|a|b']],
    ['A B <a@b>', ['A B|-|a|b']],
    ['"B, A" <a@b>, c@d', ['B, A|-|a|b', '-|-|c|d']],
    ['"Q \\"x\\" \\\\" <a@b>', ['Q "x" \\|-|a|b']],
    ['a@b (A (nested) B)', ['A (nested) B|-|a|b']],
    ['<a@b> (A)', ['A|-|a|b']],
    ['(before) A (mid) B <a@b>', ['A B|-|a|b']],
    ['Joe Q. Public <john.q.public@example.com>', ['Joe Q. Public|-|john.q.public|example.com']],
    ['"quoted local"@b', ['-|-|quoted local|b']],
    ['"a@b"@c', ['-|-|a@b|c']],
    ['a . b @ c . d', ['-|-|a.b|c.d']],
    ['a@[192.0.2.1]', ['-|-|a|[192.0.2.1]']],
    ['<@r1,@r2:a@b>', ['-|@r1,@r2|a|b']],
    ['G: a@b, C <c@d>;', ['-|-|G|-', '-|-|a|b', 'C|-|c|d', '-|-|-|-']],
    ['undisclosed-recipients:;', ['-|-|undisclosed-recipients|-', '-|-|-|-']],
    ['Open: a@b', ['-|-|Open|-', '-|-|a|b', '-|-|-|-']],
    ['G: a@b;, c@d', ['-|-|G|-', '-|-|a|b', '-|-|-|-', '-|-|c|d']],
    [', ,a@b,,', ['-|-|a|b']],
    ['root', ['-|-|root|']],
    ['A <>', ['A|-||']],
    ['<>', []],
    ['A <a@b> B <c@d>', ['A|-|a|b', 'B|-|c|d']],
    ['A <a@b', ['A|-|a|b']],
    ['a@b c@d', ['-|-|a|b', '-|-|c|d']],
    ['a@b junk', ['-|-|a|b', '-|-|junk|']],
    ['A at b.c <d@e>', ['A at b.c|-|d|e']],
    ['"open <a@b>', ['-|-|open <a@b>|']],
    ['=?utf-8?Q?=C3=A4?= <a@b>', ['=?utf-8?Q?=C3=A4?=|-|a|b']],
    ['\xe4 <a@b>', ['\xe4|-|a|b']],
  ])('%s', (text, expected) => {
    expect(shown(parseAddressList(text))).toEqual(expected);
  });

  test('never throws', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '"',
      '(',
      ')',
      ',',
      ':',
      ';',
      '@',
      '\\',
      '[',
      ']',
      ' ',
      'a',
      '.',
      '\0',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (parts) => {
        for (const address of parseAddressList(parts.join(''))) {
          expect(address.host === null || address.mailbox !== null).toBe(true);
        }
      }),
      { seed: 7, numRuns: 1_000 },
    );
  });
});

describe('envelopeOf', () => {
  test('lets From stand in for absent and empty Sender and Reply-To', () => {
    const envelope = envelopeOf(
      envelopeFields(
        'From: A <a@b>\r\nReply-To: \r\nTo: c@d\r\nTo: e@f\r\nSubject: x\r\n  y\r\nSubject: z\r\n\r\n',
      ),
    );
    expect(shown(envelope.sender)).toEqual(['A|-|a|b']);
    expect(shown(envelope.replyTo)).toEqual(['A|-|a|b']);
    expect(shown(envelope.to)).toEqual(['-|-|c|d', '-|-|e|f']);
    expect(envelope).toMatchObject({ subject: 'x  y', date: null, cc: [], inReplyTo: null });
  });
});

describe('parseDate', () => {
  test.each<[text: string, instant: string | null, day: string | null]>([
    ['Fri, 21 Nov 1997 09:55:06 -0600', '1997-11-21T15:55:06.000Z', '1997-11-21'],
    ['Thu,\t13 Feb 1969 23:32 -0330 (Newfoundland Time)', '1969-02-14T03:02:00.000Z', '1969-02-13'],
    ['21 Nov 97 09:55:06 GMT', '1997-11-21T09:55:06.000Z', null],
    ['1 Jan 00 00:00:00 EST', '2000-01-01T05:00:00.000Z', '2000-01-01'],
    ['1 Jan 102 00:00:00 +0000', '2002-01-01T00:00:00.000Z', null],
    ['Tue, 1 Jul 2003 10:52:37 +0200', '2003-07-01T08:52:37.000Z', '2003-07-01'],
    ['Fri, 21 Nov 1997 09(comment):   55  :  06 -0600', '1997-11-21T15:55:06.000Z', null],
    ['1 Jan 2020', '2020-01-01T00:00:00.000Z', '2020-01-01'],
    ['31 Dec 2019 23:30:00 -0100', '2020-01-01T00:30:00.000Z', '2019-12-31'],
    ['1-Jan-2020 1:02:03 PM', '2020-01-01T13:02:03.000Z', null],
    ['Thu Jan  1 10:20:30 2004', '2004-01-01T10:20:30.000Z', '2004-01-01'],
    ['Thu Jan  1 10:20:30 PST 2004', '2004-01-01T18:20:30.000Z', null],
    ['2004-01-02T03:04:05+01:00', '2004-01-02T02:04:05.000Z', '2004-01-02'],
    ['1 Jan 2020 10:00:00 X', '2020-01-01T10:00:00.000Z', null],
    ['40 Jan 2020', null, null],
    ['1 Foo 2020', null, null],
    ['', null, null],
    ['not a date', null, null],
  ])('%s', (text, instant, day) => {
    const date = parseDate(text);
    expect(date === null ? null : new Date(date.unixMs).toISOString()).toBe(instant);
    if (day !== null) expect(date?.day).toBe(Date.parse(`${day}T00:00:00Z`) / 86_400_000);
  });
});

describe('decodeHeaderText', () => {
  test.each<[value: string, expected: string]>([
    ['plain', 'plain'],
    ['=?iso-8859-1?q?a=E4?= b', 'aä b'],
    ['=?ISO-8859-1*de?Q?a_b?=', 'a b'],
    ['=?utf-8?B?w6Q=?=\t =?utf-8?B?w7Y=?=', 'äö'],
    ['=?utf-8?Q?a?= b =?utf-8?Q?c?=', 'a b c'],
    ['=?utf-8?Q?=E4=B8?= =?utf-8?Q?=AD?=', '中'],
    ['=?gb2312?B?1tDOxA==?=', '中文'],
    ['=?gbk?B?1tA=?= =?gbk?B?zsQ?=', '中文'],
    ['=?big5?B?pKSk5Q==?=', '中文'],
    ['=?iso-2022-jp?B?GyRCRnxLXBsoQg==?= =?iso-2022-jp?B?GyRCOGwbKEI=?=', '日本語'],
    ['=?koi8-r?B?8NLJ18XU?=', 'Привет'],
    ['x=?utf-8?Q?=41?=y', 'xAy'],
    ['=?utf-8?Q?with space?=', 'with space'],
    ['=?utf-8?Q?=3D?=', '='],
    ['=?utf-8?Q?broken', '=?utf-8?Q?broken'],
    ['=?utf-8?X?a?=', '=?utf-8?X?a?='],
    ['=?nonsense?Q?=E4?=', 'ä'],
    ['=?=?utf-8?Q?a?=', '=?a'],
    [octets('中文'), '中文'],
    ['\xe4', 'ä'],
  ])('%s', (value, expected) => {
    expect(decodeHeaderText(value)).toBe(expected);
  });

  test('reads bare octets in the fallback charset', () => {
    expect(decodeHeaderText('\xd6\xd0\xce\xc4', 'gb18030')).toBe('中文');
  });

  test('is linear for words without an end', () => {
    const value = '=?u?q? '.repeat(200_000);
    expect(decodeHeaderText(value)).toBe(value);
  });
});

describe('parameters', () => {
  test.each<[value: string, name: string, expected: string | null]>([
    ["attachment; filename*=utf-8''%E4%B8%AD%E6%96%87.txt", 'filename', '中文.txt'],
    [
      'attachment; filename*0*=iso-8859-1\'de\'a%E4; filename*1="b c%"; filename*2*=%F6',
      'filename',
      'aäb c%ö',
    ],
    ['attachment; filename*1=b; filename*0=a', 'filename', 'ab'],
    ['attachment; filename="=?utf-8?B?5Lit?="', 'filename', '中'],
    ['attachment; filename=my file (1).pdf', 'filename', 'my file (1).pdf'],
    ['attachment; filename="open', 'filename', 'open'],
    ['attachment; filename="\xe4"', 'filename', 'ä'],
    ['attachment; size=5; ;; filename = "x"', 'filename', 'x'],
    ['attachment', 'filename', null],
    ['text/plain charset=utf-8', 'charset', 'utf-8'],
    ['text/plain; charset=us-ascii (Plain text)', 'charset', 'us-ascii'],
    ['text/plain (a;b) ; charset=x', 'charset', 'x'],
    ['text/plain (open ; charset=x', 'charset', 'x'],
    ['multipart/mixed; boundary=\\"=-x\\"', 'boundary', '=-x'],
  ])('%s', (value, name, expected) => {
    expect(decodeParameter(parseParameterised(value).params, name)).toBe(expected);
  });

  test('name a file from Content-Type if the disposition does not', () => {
    const { root } = parseMessage(
      latin1("Content-Type: a/b; name*=''x%20y\r\nContent-Disposition: inline\r\n\r\n"),
    );
    expect(fileNameOf(root)).toBe('x y');
  });
});

describe('transfer encodings', () => {
  test.each<[encoded: string, expected: string]>([
    ['QUJD', 'ABC'],
    ['QU\r\nJD', 'ABC'],
    ['QQ', 'A'],
    ['QUI', 'AB'],
    ['QQ==QQ==', 'AA'],
    ['Q', ''],
    ['*Q*Q*==', 'A'],
  ])('base64 %p', (encoded, expected) => {
    expect(Buffer.from(decodeBase64(latin1(encoded))).toString()).toBe(expected);
  });
  test.each<[encoded: string, expected: string]>([
    ['a=3Db', 'a=b'],
    ['a=3db', 'a=b'],
    ['soft=\r\nbreak', 'softbreak'],
    ['soft= \t\nbreak', 'softbreak'],
    ['blanks  \r\nend\t', 'blanks\r\nend\t'],
    ['kept=20\r\n', 'kept \r\n'],
    ['bad=ZZ=', 'bad=ZZ'],
  ])('quoted-printable %p', (encoded, expected) => {
    expect(Buffer.from(decodeQuotedPrintable(latin1(encoded))).toString()).toBe(expected);
  });
  test('uuencode', () => {
    expect(Buffer.from(decodeUuencode(latin1('begin 644 x\n#0V%T\n`\nend\n'))).toString()).toBe(
      'Cat',
    );
  });
  test('base64 is that of Node for every input', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = Buffer.from(bytes).toString('base64');
        expect(Buffer.from(decodeBase64(latin1(text)))).toEqual(Buffer.from(bytes));
      }),
      { seed: 11 },
    );
  });
  test('an unknown one leaves the bytes alone', () => {
    const bytes = latin1('x=3D');
    expect(decodeTransfer(bytes, 'constructor')).toBe(bytes);
  });
});

describe('decodeCharset', () => {
  test.each<[charset: string | null, bytes: string, expected: string]>([
    ['utf-7', 'Hi +AOQ-+- +2D3eAA', 'Hi ä+ 😀'],
    ['hz-gb-2312', '~{VPND~}~~ x', '中文~ x'],
    ['GB2312', '\xd6\xd0', '中'],
    ['"gb18030"', '\x81\x30\x81\x30', '\x80'],
    ['cp936', '\xd6\xd0', '中'],
    ['shift_jis', '\x93\xfa', '日'],
    ['windows-1251', '\xcf', 'П'],
    ['us-ascii', '\xe4', 'ä'],
    [null, '\xc3\xa4', 'ä'],
    ['x-no-such', '\xe4', 'ä'],
    ['__proto__', 'a', 'a'],
    ['utf-8', '\xff', '\ufffd'],
  ])('%s', (charset, bytes, expected) => {
    expect(decodeCharset(latin1(bytes), charset)).toBe(expected);
  });
  test('knows what it reads', () => {
    expect(['utf-8', 'gbk', 'utf-7', 'hz', 'cp1252'].every(knowsCharset)).toBe(true);
    expect(knowsCharset('x-no-such')).toBe(false);
  });
});

describe('text for people', () => {
  test.each<[html: string, expected: string]>([
    ['<p>a<b>b</b></p><p>c', '\nab\n\nc'],
    ['a<style>x</style><script>y < z</script>b', 'ab'],
    ['a<!-- <b> -->b', 'ab'],
    [
      '1 < 2 &amp; 3 &gt; 2 &#228;&#xe4;&nosuch; &constructor;',
      '1 < 2 & 3 > 2 ää&nosuch; &constructor;',
    ],
    ['a<br/>b', 'a\nb'],
    ['a<style>never closed', 'a'],
    ['<title>never closed', '\nnever closed'],
    ['a<b', 'a'],
  ])('html %p', (html, expected) => {
    expect(htmlText(html)).toBe(expected);
  });

  test('is linear for unclosed markup', () => {
    expect(htmlText('<style><script><!'.repeat(100_000))).toBe('');
  });

  const mail = (type: string, body: string): Buffer =>
    latin1(`Content-Type: ${type}\r\n\r\n${body}`);
  test('a part is decoded by its charset, or by the one HTML declares', () => {
    const declared = mail('text/html', '<meta charset="gbk">\xd6\xd0');
    expect(partText(declared, parseMessage(declared).root)).toContain('中');
    const labelled = mail('text/plain; charset=gbk', '\xd6\xd0');
    expect(partText(labelled, parseMessage(labelled).root)).toBe('中');
  });

  test('a preview is one line of at most 200 characters, plain text before HTML', () => {
    const bytes = latin1(
      `Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>rich\r\n--b\r\n\r\n plain\r\n\r\n${'x'.repeat(300)}\r\n--b--`,
    );
    const preview = previewOf(parseMessage(bytes).root, (from, to) => bytes.subarray(from, to));
    expect(preview).toBe(`plain ${'x'.repeat(194)}`);
  });

  test.each([
    ['blanks fill its beginning', `${' \r\n'.repeat(200)}${'word '.repeat(100)}`],
    ['it ends within the first look', 'word '.repeat(30)],
    ['characters are pairs', '\u{1f600} '.repeat(400)],
  ])('a preview is the same however little of a text is looked at first: %s', (_, text) => {
    const bytes = Buffer.from(`Content-Type: text/plain; charset=utf-8\r\n\r\n${text}`);
    const preview = previewOf(parseMessage(bytes).root, (from, to) => bytes.subarray(from, to));
    const flat = Array.from(text.slice(0, 2_000).replace(/\s+/g, ' ').trim());
    expect(preview).toBe(flat.slice(0, 200).join(''));
  });
});

describe('baseSubject', () => {
  test.each<[subject: string, text: string, isReply: boolean]>([
    ['Re: hello', 'hello', true],
    ['re[2]: RE : hello', 'hello', true],
    ['Fwd: [list] Re: hello (fwd) (fwd)', 'hello', true],
    ['[list] hello', 'hello', false],
    ['[list]', '[list]', false],
    ['[fwd: hello]', 'hello', true],
    ['[a] [b] Re: [c] x', 'x', true],
    ['  a \t b ', 'a b', false],
    ['Re:', '', true],
    ['Regarding', 'Regarding', false],
  ])('%s', (subject, text, isReply) => {
    expect(baseSubject(subject)).toEqual({ text, isReply });
  });
});

describe('header lines', () => {
  const header =
    'Subject: a\r\n b\r\nX-Other: c\r\nsubject : d\r\njunk\r\n folded junk\r\nTo: e\r\n\r\nCc: body';
  test('come raw, with their continuations', () => {
    expect(headerLines(header, new FieldNames(['subject']))).toEqual([
      'Subject: a\r\n b\r\n',
      'subject : d\r\n',
    ]);
    expect(headerValues(header, 'subject')).toEqual(['a b', 'd']);
  });
  test('of the usual fields keep their order and leave out the rest', () => {
    expect(extractUsualHeaderLines({ header })).toBe(
      'Subject: a\r\n b\r\nsubject : d\r\nTo: e\r\n',
    );
  });
});

describe('decodeStructure', () => {
  test('reads the example of docs/formats/structure.md', () => {
    const bytes = latin1('Subject: a\r\n\r\nhello world, hello\r\n');
    const stored = '[1,34,3,[0,14,20,1,"text","plain",["charset","us-ascii"]]]';
    const { size, lines, root } = parseMessage(bytes);
    expect(Buffer.from(encodeStructure({ size, lines, root })).toString()).toBe(stored);
    expect(decodeStructure(Buffer.from(stored))).toEqual({ size, lines, root });
  });
  test.each([
    '',
    '[]',
    '{}',
    '[2,0,0,[]]',
    '[1,-1,0,[0,0,0,0,"a","b"]]',
    '[1,0,0,[0,0,0,0,"a","b",["odd"]]]',
    '[1,0,0,[0,0,0,0,"a","b",0,0,0,[1]]]',
  ])('refuses %p', (text) => {
    expect(() => decodeStructure(Buffer.from(text))).toThrow(
      'Stored bytes are not of a known format.',
    );
  });
});
