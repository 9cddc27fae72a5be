// The kernel: ids, secrets, bytes, time, errors.
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { concatBytes, equalBytes } from '../../src/kernel/bytes.ts';
import {
  assert,
  errorRegistry,
  IntegrityError,
  InvariantViolation,
  PostsealError,
} from '../../src/kernel/errors.ts';
import { uuidFromBytes, uuidToBytes, uuidV4, uuidV7 } from '../../src/kernel/ids.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { rfc3339Micros, type UnixMs } from '../../src/kernel/time.ts';

const bytes16 = fc.uint8Array({ minLength: 16, maxLength: 16 });

describe('uuids', () => {
  test('text and bytes are two forms of one id', () => {
    fc.assert(
      fc.property(bytes16, (bytes) => {
        expect(uuidToBytes(uuidFromBytes(bytes))).toEqual(bytes);
      }),
      { seed: 1 },
    );
  });

  test.each([
    '',
    '01234567-89ab-cdef-0123-456789abcde',
    '01234567-89AB-cdef-0123-456789abcdef',
    '01234567-89ab-cdef-0123-456789abcdeg',
  ])('%j is no uuid', (text) => {
    expect(() => uuidToBytes(text)).toThrow(RangeError);
  });

  test('fifteen and seventeen bytes are no uuid', () => {
    expect(() => uuidFromBytes(new Uint8Array(15))).toThrow(RangeError);
    expect(() => uuidFromBytes(new Uint8Array(17))).toThrow(RangeError);
  });

  test('version and variant are set and everything else is the randomness given', () => {
    const ones = new Uint8Array(16).fill(0xff);
    expect(uuidV4(ones)).toBe('ffffffff-ffff-4fff-bfff-ffffffffffff');
    expect(uuidV7(0x0123_4567_89ab, ones)).toBe('01234567-89ab-7fff-bfff-ffffffffffff');
    expect(uuidV7(0, new Uint8Array(16))).toBe('00000000-0000-7000-8000-000000000000');
  });

  test('version 7 sorts by time', () => {
    const ms = fc.integer({ min: 0, max: 2 ** 47 });
    fc.assert(
      fc.property(ms, ms, bytes16, bytes16, (a, b, x, y) => {
        fc.pre(a < b);
        expect(uuidV7(a, x) < uuidV7(b, y)).toBe(true);
      }),
      { seed: 2 },
    );
  });
});

describe('Secret', () => {
  test('prints nothing by any of the usual ways, and is zeroed on demand', () => {
    const secret = Secret.fromText('hunter2 hunter2');
    const shown = [
      String(secret),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ secret }),
    ];
    for (const text of shown) {
      expect(text).toContain('[redacted]');
      expect(text).not.toContain('hunter2');
    }
    expect(secret.exposeText()).toBe('hunter2 hunter2');
    secret.destroy();
    expect(secret.expose().every((byte) => byte === 0)).toBe(true);
  });
});

describe('bytes', () => {
  test('equalBytes agrees with Buffer.equals, concatBytes with Buffer.concat', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        expect(equalBytes(a, b)).toBe(Buffer.from(a).equals(Buffer.from(b)));
        expect(equalBytes(a, Uint8Array.from(a))).toBe(true);
        expect(Buffer.from(concatBytes([a, b, a]))).toEqual(Buffer.concat([a, b, a]));
      }),
      { seed: 3 },
    );
  });
});

describe('rfc3339Micros', () => {
  test('has exactly six fraction digits', () => {
    expect(rfc3339Micros(0 as UnixMs)).toBe('1970-01-01T00:00:00.000000Z');
    expect(rfc3339Micros(1_795_493_200_123 as UnixMs, 7)).toBe('2026-11-24T04:06:40.123007Z');
  });
});

describe('errors', () => {
  test('an error takes text, hint and exit code from the registry', () => {
    const error = new PostsealError('usage', { usage: 'x' });
    expect(error).toMatchObject({ exit: 2, retryable: false, fields: { usage: 'x' } });
    expect(new IntegrityError('integrity.tag', {})).toMatchObject({ exit: 70 });
  });

  test('every code has a sentence, and a hint in lower case without a full stop', () => {
    for (const [code, { text, hint }] of Object.entries(errorRegistry)) {
      expect([code, text]).toEqual([code, expect.stringMatching(/^[A-Z].*\.$/)]);
      expect([code, hint]).toEqual([code, expect.stringMatching(/^[^A-Z].*[^.]$/)]);
      expect(code).toMatch(/^(usage|internal|[a-z]+\.[a-z-]+)$/);
    }
  });

  test('assert throws what nobody catches', () => {
    expect(() => assert(false, 'impossible')).toThrow(InvariantViolation);
    expect(() => assert(true, 'fine')).not.toThrow();
  });
});
