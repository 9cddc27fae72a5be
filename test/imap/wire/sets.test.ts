// Number sets against a naive model, and their text.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Decoder } from '../../../src/imap/wire/decoder.ts';
import { expectNumSet } from '../../../src/imap/wire/decode-set.ts';
import { GrammarError } from '../../../src/imap/wire/grammar-error.ts';
import { type NumSet, formatSet, resolveSet } from '../../../src/imap/wire/num-set.ts';
import {
  type Ranges,
  countRanges,
  formatRanges,
  intersectRanges,
  matchSorted,
  normaliseRanges,
  numbersOf,
  rangesContain,
  rangesOfSorted,
  subtractRanges,
  unionRanges,
} from '../../../src/imap/wire/ranges.ts';

const parse = (text: string): NumSet => {
  const dec = new Decoder({ segments: [{ kind: 'text', bytes: Buffer.from(text) }] });
  const set = expectNumSet(dec, true);
  dec.expectEnd();
  return set;
};

const resolved = (text: string, largest: number): string => {
  const set = parse(text);
  return set.kind === 'saved' ? '$' : formatRanges(resolveSet(set, largest));
};

describe('number sets', () => {
  test.each([
    ['1', 9, '1'],
    ['3:1,2:5', 9, '1:5'],
    ['1:2,4:5,3', 9, '1:5'],
    ['*', 9, '9'],
    ['7:*', 9, '7:9'],
    ['12:*', 9, '9:12'],
    ['*:*', 9, '9'],
    ['*', 0, ''],
    ['1:*', 0, ''],
    ['4294967295', 9, '4294967295'],
    ['$', 9, '$'],
  ])('%s with %i as the largest is %s', (text, largest, expected) => {
    expect(resolved(text, largest)).toBe(expected);
  });

  test.each(['', '0', '1,', ',1', '1:', ':1', '01:x', '4294967296', '1:2:3', '**', '-1', '1 2'])(
    'refuses %j',
    (text) => {
      expect(() => parse(text)).toThrow(GrammarError);
    },
  );

  test('text of a set reads back as the same set', () => {
    const end = fc.oneof(fc.integer({ min: 1, max: 4294967295 }), fc.constant('*'));
    const range = fc.oneof(
      end.map(String),
      fc.tuple(end, end).map(([a, b]) => `${a}:${b}`),
    );
    fc.assert(
      fc.property(fc.array(range, { minLength: 1 }), (parts) => {
        const set = parse(parts.join(','));
        expect(parse(formatSet(set))).toEqual(set);
      }),
      { seed: 7 },
    );
  });
});

describe('ranges', () => {
  const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 40 }));
  const sorted = (a: Iterable<number>): number[] => [...a].sort((x, y) => x - y);
  const toRanges = (a: Iterable<number>): Ranges => rangesOfSorted(sorted(a));

  test('the algebra equals that of sets', () => {
    fc.assert(
      fc.property(numbers, numbers, (x, y) => {
        const [a, b] = [new Set(x), new Set(y)];
        const [ra, rb] = [toRanges(a), toRanges(b)];
        expect([...numbersOf(ra)]).toEqual(sorted(a));
        expect(countRanges(ra)).toBe(a.size);
        expect(unionRanges(ra, rb)).toEqual(toRanges([...new Set([...a, ...b])]));
        expect(intersectRanges(ra, rb)).toEqual(toRanges([...a].filter((n) => b.has(n))));
        expect(subtractRanges(ra, rb)).toEqual(toRanges([...a].filter((n) => !b.has(n))));
        for (let n = 0; n <= 41; n += 1) expect(rangesContain(ra, n)).toBe(a.has(n));
        const positions = [...numbersOf(matchSorted(ra, sorted(b)).map((r) => ({ ...r })))];
        expect(positions.map((i) => sorted(b)[i])).toEqual(sorted([...a].filter((n) => b.has(n))));
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  test('normalising sorts, swaps and merges whatever is given', () => {
    const range = fc.record({
      low: fc.integer({ min: 1, max: 30 }),
      high: fc.integer({ min: 1, max: 30 }),
    });
    fc.assert(
      fc.property(fc.array(range), (input) => {
        const naive = new Set<number>();
        for (const { low, high } of input) {
          for (let n = Math.min(low, high); n <= Math.max(low, high); n += 1) naive.add(n);
        }
        expect(normaliseRanges(input)).toEqual(toRanges(naive));
      }),
      { seed: 7 },
    );
  });

  test('a set as wide as the number space costs no more than its ranges', () => {
    const all = normaliseRanges([{ low: 1, high: 4294967295 }]);
    expect(matchSorted(all, Uint32Array.of(3, 9, 4294967295))).toEqual([{ low: 0, high: 2 }]);
  });
});
