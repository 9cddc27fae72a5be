// Responses to bytes: quoting, literals whose length is exact, and decoding what was encoded.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Decoder } from '../../../src/imap/wire/decoder.ts';
import { writeEsearch } from '../../../src/imap/wire/encode-esearch.ts';
import { Encoder } from '../../../src/imap/wire/encoder.ts';
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
});
