// Responses to bytes: quoting, literals whose length is exact, and decoding what was encoded.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Decoder } from '../../../src/imap/wire/decoder.ts';
import { writeEsearch } from '../../../src/imap/wire/encode-esearch.ts';
import { Encoder } from '../../../src/imap/wire/encoder.ts';
import { nstringText, stringText } from '../../../src/imap/wire/octet-text.ts';
import { wireOf } from './wire-text.ts';

const written = (write: (enc: Encoder) => void, utf8 = false): string => {
  const enc = new Encoder({ utf8 });
  write(enc);
  return Buffer.concat(enc.take()).toString('utf8');
};

/** Literals of a server have no `+`; the reader needs none here, since it never waits. */
const readBack = (bytes: Uint8Array): Decoder => new Decoder(wireOf(bytes));

describe('Encoder', () => {
  test.each<[string, string]>([
    ['plain text', '"plain text"'],
    ['', '""'],
    ['a "quote"', '{9}\r\na "quote"'],
    ['back\\slash', '{10}\r\nback\\slash'],
    ['line\r\nend', '{9}\r\nline\r\nend'],
    ['tab\t', '{4}\r\ntab\t'],
    ['ü', '{2}\r\nü'],
    ['nul\0', '{4}\r\nnul?'],
  ])('string %j is %j', (value, expected) => {
    expect(written((enc) => enc.string(value))).toBe(expected);
  });

  test('strings over the quoting bound are literals', () => {
    expect(written((enc) => enc.string('a'.repeat(1001)))).toMatch(/^\{1001\}\r\n/);
  });

  test('NIL, atoms, lists, flags, sets, names', () => {
    expect(written((enc) => enc.nstring(null).sp().nstring('NIL'))).toBe('NIL "NIL"');
    expect(written((enc) => enc.astring('a]').sp().astring('nil').sp().astring('ab'))).toBe(
      '"a]" "nil" ab',
    );
    expect(written((enc) => enc.list([1, 2, 3], (n) => enc.number(n)))).toBe('(1 2 3)');
    expect(written((enc) => enc.flags(['\\Seen', '$x']))).toBe('(\\Seen $x)');
    expect(
      written((enc) =>
        enc.numSet([
          { low: 1, high: 3 },
          { low: 7, high: 7 },
        ]),
      ),
    ).toBe('1:3,7');
    expect(written((enc) => enc.mailbox('Entwürfe & "x"'))).toBe('"Entw&APw-rfe &- \\"x\\""');
    expect(written((enc) => enc.mailbox('Entwürfe & x'), true)).toBe('"Entwürfe & x"');
    expect(written((enc) => enc.literalHead(5, true))).toBe('~{5}\r\n');
  });

  test('ESEARCH leaves out what has no value', () => {
    const all = [{ low: 2, high: 4 }];
    expect(
      written((enc) => {
        writeEsearch(enc, { tag: 'A1', uid: true, min: 2, max: 4, count: 3, all, modSeq: 9 });
      }),
    ).toBe('* ESEARCH (TAG "A1") UID MIN 2 MAX 4 COUNT 3 ALL 2:4 MODSEQ 9\r\n');
    expect(
      written((enc) => {
        writeEsearch(enc, { tag: 'a', uid: false, count: 0, all: [] });
      }),
    ).toBe('* ESEARCH (TAG "a") COUNT 0\r\n');
  });

  test('what is written reads back, in any mixture and any size', () => {
    const value = fc.oneof(
      fc.constant(null),
      fc.string({ unit: 'binary', maxLength: 40 }).map((s) => Buffer.from(s.replaceAll('\0', ''))),
      fc
        .tuple(fc.integer({ min: 1, max: 255 }), fc.integer({ min: 3000, max: 6000 }))
        .map(([byte, count]) => Buffer.alloc(count, byte)),
    );
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 12 }), (values) => {
        const enc = new Encoder({ utf8: false }, 64);
        enc.list(values, (v) => enc.nstring(v));
        const length = enc.length;
        const bytes = Buffer.concat(enc.take());
        expect(bytes.length).toBe(length);
        const dec = readBack(bytes);
        const read = dec.expectList(() => dec.expectNstring());
        dec.expectEnd();
        const same = read.map((v, i) => {
          const value = values[i] ?? null;
          return v === null ? value === null : value !== null && value.equals(v);
        });
        expect(same).toEqual(values.map(() => true));
      }),
      { seed: 7, numRuns: 200 },
    );
  });

  test('large arrays are handed on without a copy, and the encoder goes on after take', () => {
    const enc = new Encoder();
    const large = Buffer.alloc(10_000, 1);
    const first = enc.raw('a').bytes(large).raw('b').take();
    expect(first.includes(large)).toBe(true);
    expect(Buffer.concat(enc.raw('c').take()).toString()).toBe('c');
    expect(Buffer.concat(first).length).toBe(10_002);
  });

  test('a long answer leaves in few pieces, and holds no large page when it is over', () => {
    const enc = new Encoder();
    const line = 'x'.repeat(100);
    const pieces: Uint8Array[][] = [];
    for (let lines = 0; lines < 2_000; lines += 1) {
      enc.raw(line);
      if (enc.length >= 32_768) pieces.push(enc.take());
    }
    expect(pieces.length).toBeGreaterThan(4);
    expect(pieces[0]!.length).toBeLessThanOrEqual(6);
    for (const piece of pieces.slice(1)) expect(piece.length).toBeLessThanOrEqual(2);
    enc.take();
    enc.raw('a');
    enc.take();
    const [last] = enc.raw('OK').take();
    expect(last!.buffer.byteLength).not.toBe(32_768);
    expect(Buffer.from(last!).toString()).toBe('OK');
  });

  test('strings as text are those of octets', () => {
    const octets = fc.oneof(
      fc.uint8Array({ maxLength: 8 }),
      fc.stringMatching(/^[ -~]{0,20}$/u).map((text) => Buffer.from(text)),
      fc.constantFrom(999, 1_000, 1_001).map((length) => Buffer.alloc(length, 'a')),
    );
    fc.assert(
      fc.property(fc.option(octets), (value) => {
        const text = value === null ? null : Buffer.from(value).toString('latin1');
        const expected = new Encoder().nstring(value).take();
        const told = new Encoder().octets(nstringText(text)).take();
        expect(Buffer.concat(told)).toEqual(Buffer.concat(expected));
      }),
      { seed: 8, numRuns: 2_000 },
    );
    for (let byte = 0; byte < 256; byte += 1) {
      const [told] = new Encoder().octets(stringText(String.fromCharCode(byte))).take();
      const [expected] = new Encoder().string(Buffer.of(byte)).take();
      expect({ byte, told }).toEqual({ byte, told: expected });
    }
  });
});
