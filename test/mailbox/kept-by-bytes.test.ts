// What is kept up to a number of bytes: against a naive list in order of use.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { KeptByBytes } from '../../src/mailbox/account/kept-by-bytes.ts';

const bytesMax = 100;
const key = fc.integer({ min: 0, max: 5 });
const step = fc.oneof(
  fc.record({ what: fc.constant('set' as const), key, bytes: fc.integer({ min: 0, max: 120 }) }),
  fc.record({ what: fc.constant('get' as const), key }),
  fc.record({ what: fc.constant('delete' as const), key }),
);

describe('KeptByBytes', () => {
  test('holds what was used last, as much as there is room for', () => {
    let dropped = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const kept = new KeptByBytes<number, { bytes: number }>(bytesMax);
        /** The one used last at the end. */
        let model: { key: number; value: { bytes: number } }[] = [];
        for (const each of steps) {
          const found = model.find((entry) => entry.key === each.key);
          const others = model.filter((entry) => entry !== found);
          if (each.what === 'get') {
            expect(kept.get(each.key)).toBe(found?.value);
            if (found !== undefined) model = [...others, found];
          } else if (each.what === 'delete') {
            kept.delete(each.key);
            model = others;
          } else {
            const value = { bytes: each.bytes };
            kept.set(each.key, value);
            model = value.bytes > bytesMax ? others : [...others, { key: each.key, value }];
            while (model.reduce((sum, entry) => sum + entry.value.bytes, 0) > bytesMax) {
              model.shift();
              dropped += 1;
            }
          }
        }
        for (const entry of [...model]) expect(kept.get(entry.key)).toBe(entry.value);
        for (const gone of [0, 1, 2, 3, 4, 5].filter((n) => !model.some((e) => e.key === n))) {
          expect(kept.get(gone)).toBeUndefined();
        }
      }),
      { numRuns: 300, seed: 8 },
    );
    expect(dropped).toBeGreaterThan(50);
  });
});
