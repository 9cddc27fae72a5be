// ENVELOPE, BODY, BODYSTRUCTURE, sections and BINARY from stored structures, on hand-made mail.
import { describe, expect, test } from '@jest/globals';
import {
  answererOf,
  itemNeed,
  wholeAnswerer,
  type ContentItem,
  type ItemAnswer,
  type ItemSource,
} from '../../../src/imap/items/index.ts';
import { resolveSection } from '../../../src/imap/items/section.ts';
import { Encoder } from '../../../src/imap/wire/encoder.ts';
import type { FetchItem, Partial, Section } from '../../../src/imap/wire/fetch-item.ts';
import { parseMessage } from '../../../src/mime/parser.ts';
import { extractUsualHeaderLines } from '../../../src/mime/usual-fields.ts';

const crlf = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'), 'latin1');

function sourceOf(bytes: Buffer): ItemSource {
  const parsed = parseMessage(bytes);
  return { headerLines: extractUsualHeaderLines(parsed), structure: parsed };
}

/** The response text of an item, octets read from the original as the session does. */
const told = (item: ContentItem, bytes: Buffer): string =>
  written(answererOf(item)(sourceOf(bytes)), bytes);

function written(first: ItemAnswer, bytes: Buffer): string {
  const enc = new Encoder();
  let answer = first;
  while (answer.kind === 'derive') answer = answer.finish(bytes.subarray(answer.from, answer.to));
  if (answer.kind === 'text') enc.octets(answer.text);
  else {
    const octets = answer.kind === 'bytes' ? answer.bytes : bytes.subarray(answer.from, answer.to);
    const binary8 = answer.kind === 'bytes' && octets.includes(0);
    enc.raw(`${answer.label} `).literalHead(octets.length, binary8).bytes(octets);
  }
  return Buffer.concat(enc.take()).toString('latin1');
}

const body = (
  section: Section,
  partial: Partial | null = null,
): Extract<ContentItem, { kind: 'section' }> => ({
  kind: 'section',
  label: 'BODY',
  section,
  partial,
  peek: true,
});
const binary = (part: number[], partial: Partial | null = null): ContentItem => ({
  kind: 'binary',
  part,
  partial,
  peek: true,
});
const literal = (text: string, binaryMark = ''): string =>
  `${binaryMark}{${text.length}}\r\n${text}`;

const nested = crlf(
  'Subject: outer',
  'Content-Type: multipart/mixed; boundary=b',
  '',
  'preamble',
  '--b',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'a=3Db',
  '--b',
  'Content-Type: message/rfc822',
  '',
  'Subject: inner',
  'From: I <i@x>',
  'Content-Type: multipart/alternative; boundary=c',
  '',
  '--c',
  '',
  'first',
  '--c',
  'Content-Type: application/pdf; name="p.pdf"',
  'Content-Transfer-Encoding: base64',
  'Content-Disposition: attachment; filename="p.pdf"',
  'Content-Language: de, en',
  'Content-Location: http://x/',
  'Content-MD5: abc',
  'Content-ID: <p@x>',
  'Content-Description: a "quoted" thing',
  '',
  'AEE=',
  '--c--',
  '--b',
  'Content-Type: message/rfc822',
  '',
  'Subject: plain inner',
  '',
  'text of it',
  '--b--',
  '',
);

describe('sections', () => {
  const plain = crlf('Subject: x', 'To: a@b', '', 'hello', '');
  test.each<[name: string, bytes: Buffer, section: Section, expected: string | null]>([
    ['the whole', plain, { part: [], text: 'all' }, 'Subject: x\r\nTo: a@b\r\n\r\nhello\r\n'],
    ['header', plain, { part: [], text: 'header' }, 'Subject: x\r\nTo: a@b\r\n\r\n'],
    ['text', plain, { part: [], text: 'text' }, 'hello\r\n'],
    ['part 1 of a simple message', plain, { part: [1], text: 'all' }, 'hello\r\n'],
    ['its MIME header', plain, { part: [1], text: 'mime' }, 'Subject: x\r\nTo: a@b\r\n\r\n'],
    ['part 2 of a simple message', plain, { part: [2], text: 'all' }, null],
    ['part 1.1 of a simple message', plain, { part: [1, 1], text: 'all' }, null],
    ['the header of a part that is no message', plain, { part: [1], text: 'header' }, null],
    ['part 1', nested, { part: [1], text: 'all' }, 'a=3Db'],
    ['text of a multipart', nested, { part: [2, 2], text: 'all' }, 'AEE='],
    [
      'header of an embedded message',
      nested,
      { part: [2], text: 'header' },
      'Subject: inner\r\nFrom: I <i@x>\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n',
    ],
    ['text of an embedded message', nested, { part: [3], text: 'text' }, 'text of it'],
    [
      'the embedded message',
      nested,
      { part: [3], text: 'all' },
      'Subject: plain inner\r\n\r\ntext of it',
    ],
    ['part 1 of an embedded simple message', nested, { part: [3, 1], text: 'all' }, 'text of it'],
    [
      'MIME header of the message part',
      nested,
      { part: [3], text: 'mime' },
      'Content-Type: message/rfc822\r\n\r\n',
    ],
    ['a part beyond the last', nested, { part: [4], text: 'all' }, null],
    ['a part below a leaf', nested, { part: [1, 1], text: 'all' }, null],
  ])('%s', (_name, bytes, section, expected) => {
    const range = resolveSection(parseMessage(bytes), section);
    expect(range === null ? null : bytes.toString('latin1', range.from, range.to)).toBe(expected);
  });

  test('have the labels that were asked for', () => {
    expect(told(body({ part: [2, 2], text: 'mime' }, { offset: 0, count: 7 }), nested)).toBe(
      `BODY[2.2.MIME]<0> ${literal('Content')}`,
    );
    expect(told(body({ part: [], text: 'all' }, { offset: 2, count: 3 }), plain)).toBe(
      `BODY[]<2> ${literal('bje')}`,
    );
    const rfc822: ContentItem = {
      kind: 'section',
      label: 'RFC822.TEXT',
      section: { part: [], text: 'text' },
      partial: null,
      peek: false,
    };
    expect(told(rfc822, plain)).toBe(`RFC822.TEXT ${literal('hello\r\n')}`);
  });

  test('are NIL if there are none such, and empty beyond the end', () => {
    expect(told(body({ part: [9], text: 'all' }), plain)).toBe('BODY[9] NIL');
    expect(told(body({ part: [], text: 'text' }, { offset: 99, count: 1 }), plain)).toBe(
      'BODY[TEXT]<99> {0}\r\n',
    );
  });

  test('keep a multipart without parts readable as one empty text part', () => {
    const bytes = crlf('Content-Type: multipart/mixed; boundary=b', '', 'nothing');
    expect(told(body({ part: [1], text: 'all' }), bytes)).toBe('BODY[1] {0}\r\n');
    expect(told(body({ part: [2], text: 'all' }), bytes)).toBe('BODY[2] NIL');
    expect(told(binary([1]), bytes)).toBe('BINARY[1] {0}\r\n');
  });
});

describe('the whole message', () => {
  const bytes = crlf('Subject: a', '', 'body');
  test.each([
    [null, literal(bytes.toString('latin1'))],
    [{ offset: 3, count: 4 }, literal('ject')],
    [{ offset: 99, count: 1 }, '{0}\r\n'],
  ])('needs no metadata, with the partial %p', (partial, value) => {
    const item = body({ part: [], text: 'all' }, partial);
    expect(itemNeed(item)).toBe('octets');
    const origin = partial === null ? '' : `<${partial.offset}>`;
    expect(written(wholeAnswerer(item)(bytes.length), bytes)).toBe(`BODY[]${origin} ${value}`);
    expect(told(item, bytes)).toBe(`BODY[]${origin} ${value}`);
  });
});

describe('header fields', () => {
  const bytes = Buffer.from(
    'Received: r\nSubject: a\n b\nTo: c\rX-Bad: d\nX-Nul: \0\nSUBJECT: e\n\nbody',
    'latin1',
  );
  test('come from the metadata where they are usual', () => {
    const item = body({ part: [], text: 'header.fields', fields: ['SUBJECT', 'To'] });
    expect(itemNeed(item)).toBe('metadata');
    expect(told(item, bytes)).toBe(
      `BODY[HEADER.FIELDS (SUBJECT To)] ${literal('Subject: a\r\n b\r\nTo: c\rX-Bad: d\r\nSUBJECT: e\r\n\r\n')}`,
    );
  });
  test('come from the original where they are not', () => {
    const item = body({ part: [], text: 'header.fields', fields: ['Received', 'X-Nul'] });
    expect(itemNeed(item)).toBe('body');
    expect(told(item, bytes)).toBe(
      `BODY[HEADER.FIELDS (Received X-Nul)] ${literal('Received: r\r\nX-Nul: \x80\r\n\r\n')}`,
    );
  });
  test('may be all but some', () => {
    const item = body(
      { part: [], text: 'header.fields.not', fields: ['subject', 'to', 'x-nul'] },
      { offset: 0, count: 8 },
    );
    expect(told(item, bytes)).toBe(
      `BODY[HEADER.FIELDS.NOT (subject to x-nul)]<0> ${literal('Received')}`,
    );
  });
  test('of an embedded message come from its own header', () => {
    const item = body({ part: [2], text: 'header.fields', fields: ['subject'] });
    expect(itemNeed(item)).toBe('body');
    expect(told(item, nested)).toBe(
      `BODY[2.HEADER.FIELDS (subject)] ${literal('Subject: inner\r\n\r\n')}`,
    );
  });
  test('that are absent leave the empty line', () => {
    expect(told(body({ part: [], text: 'header.fields', fields: ['cc'] }), bytes)).toBe(
      `BODY[HEADER.FIELDS (cc)] ${literal('\r\n')}`,
    );
  });
  test('end with a line end even if the message ends in its header', () => {
    expect(
      told(body({ part: [], text: 'header.fields', fields: ['subject'] }), crlf('Subject: x')),
    ).toBe(`BODY[HEADER.FIELDS (subject)] ${literal('Subject: x\r\n\r\n')}`);
  });
  test('of Macintosh mail get the line ends of the protocol', () => {
    const mac = Buffer.from('Subject: a\rTo: b\r\rbody\r');
    expect(told(body({ part: [], text: 'header.fields', fields: ['subject', 'to'] }), mac)).toBe(
      `BODY[HEADER.FIELDS (subject to)] ${literal('Subject: a\r\nTo: b\r\n\r\n')}`,
    );
  });
});

describe('BINARY', () => {
  test('undoes the encoding; literal8 only for NUL', () => {
    expect(told(binary([1]), nested)).toBe(`BINARY[1] ${literal('a=b')}`);
    expect(told(binary([2, 2]), nested)).toBe(`BINARY[2.2] ${literal('\0A', '~')}`);
    expect(told(binary([2, 2], { offset: 1, count: 9 }), nested)).toBe(
      `BINARY[2.2]<1> ${literal('A')}`,
    );
    expect(told(binary([7]), nested)).toBe('BINARY[7] NIL');
    expect(told(binary([]), crlf('A: b', '', 'c'))).toBe(`BINARY[] ${literal('A: b\r\n\r\nc')}`);
    expect(told({ kind: 'binary.size', part: [2, 2] }, nested)).toBe('BINARY.SIZE[2.2] 2');
    expect(told({ kind: 'binary.size', part: [3] }, nested)).toBe('BINARY.SIZE[3] 34');
  });
  test('refuses what it cannot undo', () => {
    const bytes = crlf('Content-Transfer-Encoding: x-strange', '', 'x');
    expect(() => told(binary([1]), bytes)).toThrow(
      'The transfer encoding of this part is not known',
    );
    expect(() => told({ kind: 'binary.size', part: [1] }, bytes)).toThrow(
      'The transfer encoding of this part is not known',
    );
  });
});

describe('ENVELOPE', () => {
  const envelope: ContentItem = { kind: 'envelope' };
  test('follows the grammar and fills in From', () => {
    const bytes = crlf(
      'Date: Mon, 1 Jan 2024 00:00:00 +0000',
      'Subject: =?utf-8?Q?=C3=A4?=',
      ' folded',
      'From: "A \\"B\\"" <a@b>, c@d',
      'To: G: e@f;',
      'Message-ID: <"q"@x>',
      '',
      '',
    );
    const from = '(({5}\r\nA "B" NIL "a" "b")(NIL NIL "c" "d"))';
    expect(told(envelope, bytes)).toBe(
      `ENVELOPE ("Mon, 1 Jan 2024 00:00:00 +0000" "=?utf-8?Q?=C3=A4?= folded" ${from} ${from} ${from} ((NIL NIL "G" NIL)(NIL NIL "e" "f")(NIL NIL NIL NIL)) NIL NIL NIL {7}\r\n<"q"@x>)`,
    );
  });
  test('is all NIL for an empty message', () => {
    expect(told(envelope, crlf(''))).toBe('ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)');
  });
  test('never puts an octet out of place, whatever a header holds', () => {
    const bytes = Buffer.from('Subject: a"b\\c\xe4\0\r\nFrom: "\r\n)(\r\n\r\n', 'latin1');
    expect(told(envelope, bytes)).toContain('{7}\r\na"b\\c\xe4\x80');
  });
});

describe('BODYSTRUCTURE', () => {
  const structure: ContentItem = { kind: 'bodystructure', extensible: true };
  const plainBody: ContentItem = { kind: 'bodystructure', extensible: false };
  const single = '"text" "plain" ("charset" "us-ascii") NIL NIL "7bit"';
  test.each<[name: string, item: FetchItem & ContentItem, bytes: Buffer, expected: string]>([
    [
      'a simple message',
      structure,
      crlf('', 'a', 'b'),
      `BODYSTRUCTURE (${single} 4 1 NIL NIL NIL NIL)`,
    ],
    ['BODY', plainBody, crlf('', 'a', 'b'), `BODY (${single} 4 1)`],
    [
      'a multipart without parts',
      structure,
      crlf('Content-Type: multipart/mixed; boundary="a b"', '', ''),
      `BODYSTRUCTURE ((${single} 0 0 NIL NIL NIL NIL) "mixed" ("boundary" "a b") NIL NIL NIL)`,
    ],
    [
      'a multipart without parts, BODY',
      plainBody,
      crlf('Content-Type: multipart/mixed; boundary=b', '', ''),
      `BODY ((${single} 0 0) "mixed")`,
    ],
    [
      'a message that stays closed',
      structure,
      crlf('Content-Type: message/rfc822; name=x', 'Content-Transfer-Encoding: base64', '', 'QQ=='),
      'BODYSTRUCTURE ("application" "octet-stream" ("name" "x") NIL NIL "base64" 4 NIL NIL NIL NIL)',
    ],
    [
      'everything',
      structure,
      nested,
      'BODYSTRUCTURE (("text" "plain" ("charset" "utf-8") NIL NIL "quoted-printable" 5 0 NIL NIL NIL NIL)' +
        '("message" "rfc822" NIL NIL NIL "7bit" 376 (NIL "inner" (("I" NIL "i" "x")) (("I" NIL "i" "x")) (("I" NIL "i" "x")) NIL NIL NIL NIL NIL) ' +
        `((${single} 5 0 NIL NIL NIL NIL)` +
        '("application" "pdf" ("name" "p.pdf") "<p@x>" {16}\r\na "quoted" thing "base64" 4 "abc" ("attachment" ("filename" "p.pdf")) ("de" "en") "http://x/")' +
        ' "alternative" ("boundary" "c") NIL NIL NIL) 18 NIL NIL NIL NIL)' +
        '("message" "rfc822" NIL NIL NIL "7bit" 34 (NIL "plain inner" NIL NIL NIL NIL NIL NIL NIL NIL) ' +
        `(${single} 10 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL)` +
        ' "mixed" ("boundary" "b") NIL NIL NIL)',
    ],
  ])('%s', (_name, item, bytes, expected) => {
    expect(told(item, bytes)).toBe(expected);
  });
});
