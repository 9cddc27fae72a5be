import { expect, test } from '@jest/globals';
import { ofSlice, sliceWidth, slicesOf } from '../../../src/platform/postgres/custodian-slices.ts';

const letters = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => String.fromCharCode(97 + i));

test('few custodians make one slice, filled up with the last', () => {
  const [slice, ...rest] = slicesOf(['b1', 'a1', 'b2'], ([custodian = '']) => custodian);
  expect(rest).toEqual([]);
  expect(slice).toEqual({
    items: ['b1', 'a1', 'b2'],
    places: [0, 1, 2],
    custodians: ['b', ...Array.from({ length: sliceWidth - 1 }, () => 'a')],
  });
});

test('many custodians make slices that have each item once, and one custodian only in one', () => {
  const custodians = letters(2 * sliceWidth + 3);
  const items = [...custodians, ...[...custodians].reverse()];
  const slices = slicesOf(items, (item) => item);
  expect(slices.map((slice) => new Set(slice.custodians).size)).toEqual([
    sliceWidth,
    sliceWidth,
    3,
  ]);
  expect(slices.every((slice) => slice.custodians.length === sliceWidth)).toBe(true);
  const found = slices.flatMap(({ places, items: some }) =>
    places.map((place, i) => [place, some[i]] as const),
  );
  expect(found.sort(([a], [b]) => a - b)).toEqual([...items.entries()]);
  const named = slices.flatMap((slice) => [...new Set(slice.custodians)]);
  expect(new Set(named).size).toBe(named.length);
});

test('nothing makes no slice', () => {
  expect(slicesOf([], () => '')).toEqual([]);
});

test('the condition names one parameter a custodian', () => {
  const sql = ofSlice('r.custodian_id', 3);
  expect(sql).toMatch(/^r\.custodian_id = ANY \(ARRAY\[\$3::uuid, \$4::uuid, .*\]\)$/);
  expect(sql.match(/\$\d+::uuid/g)).toHaveLength(sliceWidth);
  expect(sql).toContain(`$${3 + sliceWidth - 1}::uuid]`);
});
