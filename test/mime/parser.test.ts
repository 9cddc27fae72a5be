// The push parser on hand-made and random bytes: offsets, limits, damaged framing, linear work.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { walkParts, type MimePart } from '../../src/mime/part.ts';
import { createMimeParser, parseMessage, type MimeLimits } from '../../src/mime/parser.ts';
import { decodeStructure, encodeStructure } from '../../src/mime/structure.ts';
import { previewOf } from '../../src/mime/preview.ts';
import { unsoundness } from './soundness.ts';

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1');
const crlf = (...lines: string[]): Buffer => bytesOf(lines.join('\r\n'));

/** `type/subtype`, the body's text, and what is inside. */
type Outline = string | { readonly [type: string]: readonly Outline[] };

function outline(part: MimePart, bytes: Buffer): Outline {
  const type = `${part.type}/${part.subtype}${part.opaque ? '!' : ''}`;
  if (part.message !== null) return { [type]: [outline(part.message.root, bytes)] };
  if (part.type === 'multipart' && !part.opaque) {
    return { [type]: part.children.map((child) => outline(child, bytes)) };
  }
  return `${type}:${bytes.toString('latin1', part.bodyStart, part.bodyEnd)}`;
}

const outlineOf = (bytes: Buffer, limits?: Partial<MimeLimits>): Outline =>
  outline(parseMessage(bytes, limits).root, bytes);

const mixed = 'Content-Type: multipart/mixed; boundary=b';

describe('parseMessage', () => {
  test.each<[name: string, bytes: Buffer, expected: Outline]>([
    ['nothing', crlf(), 'text/plain:'],
    ['a header without an empty line', crlf('Subject: x'), 'text/plain:'],
    ['a body without a header', crlf('', 'hello'), 'text/plain:hello'],
    ['an mbox mark', crlf('From a Thu Jan 1', 'Subject: x', '', 'y'), 'text/plain:y'],
    [
      'damaged CR CR LF line ends',
      bytesOf('A: b\r\r\nC: d\r\r\n\r\r\nbody\r\r\n'),
      'text/plain:body\r\r\n',
    ],
    [
      'bare CR line ends',
      bytesOf(`A: b\r${mixed}\r\r--b\r\rx\r--b--\r`),
      { 'multipart/mixed': ['text/plain:x'] },
    ],
    ['bare CR inside LF mail', bytesOf('A: b\nC: d\re\n\nx\r\ry'), 'text/plain:x\r\ry'],
    [
      'bare LF',
      bytesOf(`${mixed}\n\n--b\n\nx\n\n--b--\n`),
      { 'multipart/mixed': ['text/plain:x\n'] },
    ],
    ['NUL octets', bytesOf('A: b\0c\r\n\r\nx\0y'), 'text/plain:x\0y'],
    [
      'no boundary parameter',
      crlf('Content-Type: multipart/mixed', '', '--b', 'x'),
      'text/plain:--b\r\nx',
    ],
    ['an unreadable type', crlf('Content-Type: text', '', 'x'), 'text/plain:x'],
    ['no delimiter', crlf(mixed, '', 'preamble'), { 'multipart/mixed': [] }],
    ['only the end delimiter', crlf(mixed, '', '--b--', ''), { 'multipart/mixed': [] }],
    [
      'an unclosed multipart',
      crlf(mixed, '', '--b', '', 'x', ''),
      { 'multipart/mixed': ['text/plain:x\r\n'] },
    ],
    ['an empty part', crlf(mixed, '', '--b', '--b--'), { 'multipart/mixed': ['text/plain:'] }],
    [
      'blanks after a delimiter',
      crlf(mixed, '', '--b \t', '', 'x', '--b--  '),
      { 'multipart/mixed': ['text/plain:x'] },
    ],
    [
      'a delimiter as a prefix of text',
      crlf(mixed, '', '--b', '', '--bc', '--b--'),
      { 'multipart/mixed': ['text/plain:--bc'] },
    ],
    [
      'a delimiter cut short',
      crlf(mixed, '', '--b', '', 'x', '--b'),
      { 'multipart/mixed': ['text/plain:x'] },
    ],
    [
      'delimiters after the end',
      crlf(mixed, '', '--b', '', 'x', '--b--', '--b', '', 'y'),
      { 'multipart/mixed': ['text/plain:x'] },
    ],
    [
      'a part whose empty line was forgotten',
      crlf(mixed, '', '--b', 'plain text', '--b', 'X-A: b', 'more text', '--b--'),
      { 'multipart/mixed': ['text/plain:plain text', 'text/plain:more text'] },
    ],
    [
      'an outer delimiter that ends two levels',
      crlf(
        mixed,
        '',
        '--b',
        'Content-Type: multipart/alternative; boundary=c',
        '',
        '--c',
        '',
        'x',
        '--b',
        '',
        'y',
        '--b--',
      ),
      { 'multipart/mixed': [{ 'multipart/alternative': ['text/plain:x'] }, 'text/plain:y'] },
    ],
    [
      'one boundary at two levels: the inner one counts first',
      crlf(mixed, '', '--b', mixed, '', '--b', '', 'x', '--b--', '--b', '', 'y', '--b--'),
      { 'multipart/mixed': [{ 'multipart/mixed': ['text/plain:x'] }, 'text/plain:y'] },
    ],
    [
      'a boundary that is the prefix of an inner one',
      crlf(
        mixed,
        '',
        '--b',
        'Content-Type: multipart/alternative; boundary="b-- c"',
        '',
        '--b-- c',
        '',
        'x',
        '--b-- c--',
        '--b--',
      ),
      { 'multipart/mixed': [{ 'multipart/alternative': ['text/plain:x'] }] },
    ],
    [
      'a digest',
      crlf(
        'Content-Type: multipart/digest; boundary=b',
        '',
        '--b',
        '',
        'Subject: x',
        '',
        'y',
        '--b',
        'Content-Type: text/plain',
        '',
        'z',
        '--b--',
      ),
      { 'multipart/digest': [{ 'message/rfc822': ['text/plain:y'] }, 'text/plain:z'] },
    ],
    [
      'a message in a message',
      crlf('Content-Type: message/rfc822', '', 'Subject: x', mixed, '', '--b', '', 'y', '--b--'),
      { 'message/rfc822': [{ 'multipart/mixed': ['text/plain:y'] }] },
    ],
    [
      'an encoded message, which stays closed',
      crlf('Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64', '', 'QQ=='),
      'message/rfc822!:QQ==',
    ],
  ])('%s', (_name, bytes, expected) => {
    expect(outlineOf(bytes)).toEqual(expected);
  });

  test('gives octet offsets and line counts', () => {
    const bytes = crlf(mixed, '', 'pre', '--b', 'A: b', '', 'x', 'y', '--b--', 'epi', '');
    const { root, lines, size } = parseMessage(bytes);
    const [part] = root.children;
    expect(size).toBe(bytes.length);
    expect(lines).toBe(10);
    expect(bytes.toString('latin1', part?.headerStart, part?.bodyStart)).toBe('A: b\r\n\r\n');
    expect(bytes.toString('latin1', part?.bodyStart, part?.bodyEnd)).toBe('x\r\ny');
    expect(part?.lines).toBe(1);
    expect(root.lines).toBe(8);
  });

  test('keeps the fields of each part', () => {
    const { root } = parseMessage(
      crlf(
        'Content-Type: Text/HTML ; charset=UTF-8 (really); name*0="a b"; name*1=c;;',
        'Content-Transfer-Encoding: Quoted-Printable',
        'Content-Disposition: ATTACHMENT; filename*=utf-8\'\'%E4%B8%AD.txt; filename="fallback\\".txt"',
        'Content-ID: <x@y>',
        'Content-Description: d\xe9',
        'Content-MD5: Q2hlY2s=',
        'Content-Language: de, en',
        'Content-Location: http://x/',
        '',
        '',
      ),
    );
    expect(root).toMatchObject({
      type: 'text',
      subtype: 'html',
      params: [
        ['charset', 'UTF-8'],
        ['name', 'a bc'],
      ],
      encoding: 'quoted-printable',
      disposition: {
        type: 'attachment',
        params: [
          ['filename*', "utf-8''%E4%B8%AD.txt"],
          ['filename', 'fallback".txt'],
        ],
      },
      id: '<x@y>',
      description: 'd\xe9',
      md5: 'Q2hlY2s=',
      language: ['de', 'en'],
      location: 'http://x/',
    });
  });

  test('closes what lies beyond the depth limit, and goes on after it', () => {
    const inner = ['Content-Type: multipart/mixed; boundary=c', '', '--c', '', 'x', '--c--'];
    const bytes = crlf(mixed, '', '--b', ...inner, '--b', '', 'y', '--b--');
    expect(outlineOf(bytes, { depth: 2 })).toEqual({
      'multipart/mixed': ['multipart/mixed!:--c\r\n\r\nx\r\n--c--', 'text/plain:y'],
    });
  });

  test('gives the rest to the last part allowed', () => {
    const bytes = crlf(mixed, '', '--b', '', 'x', '--b', '', 'y', '--b', '', 'z', '--b--');
    expect(outlineOf(bytes, { parts: 3 })).toEqual({
      'multipart/mixed': ['text/plain:x', 'text/plain!:\r\ny\r\n--b\r\n\r\nz\r\n--b--'],
    });
  });

  test('keeps no more header octets than allowed, in chunks or at once', () => {
    const bytes = crlf(
      'Subject: x',
      `X-Long: ${'y'.repeat(5_000)}`,
      mixed,
      '',
      '--b',
      '',
      'x',
      '--b--',
    );
    const whole = parseMessage(bytes, { headerBytes: 100 });
    expect(whole.headerTruncated).toBe(true);
    expect(whole.header).toHaveLength(100);
    expect(bytes.toString('latin1', whole.root.bodyStart)).toBe('--b\r\n\r\nx\r\n--b--');
    expect(inChunks(bytes, [7], { headerBytes: 100 })).toEqual(whole);
  });

  test('keeps memory and structure in bounds for hostile nesting', () => {
    let deep = '';
    for (let i = 0; i < 2_000; i += 1)
      deep += `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`;
    const parsed = parseMessage(bytesOf(deep));
    expect([...walkParts(parsed.root)]).toHaveLength(64);
    const many = parseMessage(bytesOf(`${mixed}\r\n\r\n${'--b\r\n\r\n'.repeat(30_000)}`));
    expect([...walkParts(many.root)]).toHaveLength(10_000);
  });
});

/** Hostile inputs of a given size; each has a shape that made some parser quadratic. */
const hostile: Readonly<Record<string, (size: number) => Buffer>> = {
  'lines that almost are delimiters': (n) =>
    bytesOf(
      `Content-Type: multipart/mixed; boundary="${'-'.repeat(60)}"\r\n\r\n${`${'-'.repeat(61)}x\r\n`.repeat(n / 64)}`,
    ),
  'parts without bodies': (n) => bytesOf(`${mixed}\r\n\r\n${'--b\r\n'.repeat(n / 5)}`),
  'fields without end': (n) => bytesOf('A: b\r\n'.repeat(n / 6)),
  'one folded field': (n) => bytesOf(`Subject: x${'\r\n y'.repeat(n / 4)}`),
  'empty parameters': (n) => bytesOf(`Content-Type: text/plain${';'.repeat(n)}=`),
  'RFC 2231 sections': (n) =>
    bytesOf(
      `Content-Type: text/plain${Array.from({ length: n / 16 }, (_, i) => `; name*${i}*=x`).join('')}`,
    ),
  'open comments': (n) => bytesOf(`Content-Type: text/plain ${'('.repeat(n)}; a=b`),
  'no line end at all': (n) => Buffer.alloc(n, 0x41),
  'nested messages': (n) => bytesOf('Content-Type: message/rfc822\r\n\r\n'.repeat(n / 32)),
};

describe('work', () => {
  // Ratios of the best of several runs, not absolute times: 64 times the input may cost 64 times as
  // much and a wide margin for a busy machine; quadratic work would cost 4,096 times as much.
  test.each(Object.keys(hostile))('is linear: %s', (name) => {
    const make = hostile[name]!;
    const cost = (size: number): number => {
      const bytes = make(size);
      const times = Array.from({ length: 5 }, () => {
        const start = performance.now();
        inChunks(bytes, [65_536]);
        return performance.now() - start;
      });
      return Math.min(...times);
    };
    cost(16_384);
    const small = Math.max(cost(16_384), 0.1);
    expect(cost(16_384 * 64) / small).toBeLessThan(700);
  });
});

function inChunks(
  bytes: Buffer,
  lengths: readonly number[],
  limits?: Partial<MimeLimits>,
): ReturnType<typeof parseMessage> {
  const parser = createMimeParser(limits);
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const length = lengths[i % lengths.length] ?? 1;
    parser.push(bytes.subarray(at, at + length));
    at += length;
  }
  return parser.end();
}

/** Fragments that meet in the corner cases of the grammar. */
const fragment = fc.constantFrom(
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  '\n\n',
  '\0',
  ' ',
  '\t',
  '--b',
  '--b--',
  '--c',
  '--c--',
  '--',
  '-',
  'x',
  `${mixed}\r\n`,
  'Content-Type: multipart/digest; boundary="c"\r\n\r\n--c\r\n',
  'Content-Type: message/rfc822\r\n\r\n',
  'Subject: a\r\n',
  ' folded\r\n',
  'no field\r\n',
  'From x\n',
  '\xe9\xff',
  'Content-Disposition: attachment; filename*0*=utf-8\'\'%41; filename*1="b"\n',
);
const mail = fc.oneof(
  fc.array(fragment, { maxLength: 40 }).map((parts) => bytesOf(parts.join(''))),
  fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
);
const runs = { seed: 20261124, numRuns: 600 };

describe('any bytes', () => {
  test('give a sound tree that survives storage', () => {
    fc.assert(
      fc.property(mail, (bytes) => {
        const parsed = parseMessage(bytes);
        expect(unsoundness(parsed, bytes)).toBeNull();
        const { size, lines, root } = parsed;
        expect(decodeStructure(encodeStructure(parsed))).toEqual({ size, lines, root });
        previewOf(root, (from, to) => bytes.subarray(from, to));
      }),
      runs,
    );
  });

  test('give the same tree in any chunks, and the chunks may be overwritten afterwards', () => {
    fc.assert(
      fc.property(mail, fc.array(fc.nat(9), { minLength: 1, maxLength: 9 }), (bytes, cuts) => {
        const parser = createMimeParser();
        for (let at = 0, i = 0; at < bytes.length; i += 1) {
          const length = (cuts[i % cuts.length] ?? 0) + (i % 2);
          const chunk = Buffer.from(bytes.subarray(at, at + length));
          parser.push(chunk);
          chunk.fill(0x2d);
          at += length;
        }
        expect(parser.end()).toEqual(parseMessage(bytes));
      }),
      runs,
    );
  });
});
