// Lists of messages against plain arrays.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { MessageList } from '../../src/imap/message-list.ts';
import { numbersOf, rangesOfSorted } from '../../src/imap/wire/ranges.ts';

describe('MessageList', () => {
  test('holds what an array would hold', () => {
    const view = fc.uniqueArray(fc.integer({ min: 1, max: 500 }), { maxLength: 60 });
    fc.assert(
      fc.property(view, fc.array(fc.boolean(), { maxLength: 60 }), (numbers, chosen) => {
        const uids = Uint32Array.from(numbers).sort();
        const indexes = [...uids.keys()].filter((index) => chosen[index] === true);
        const plain = indexes.map((index) => ({ index, uid: uids[index] }));
        const marks = new Uint8Array(uids.length);
        for (const index of indexes) marks[index] = 1;
        for (const list of [
          MessageList.at(rangesOfSorted(indexes), uids),
          MessageList.marked(marks, uids),
        ]) {
          expect([...list]).toEqual(plain);
          expect(list.length).toBe(plain.length);
          expect(list.first).toEqual(plain[0]);
          expect(list.last).toEqual(plain.at(-1));
          expect(list.slice(1, 4)).toEqual(plain.slice(1, 4));
          expect(list.uids()).toEqual(plain.map(({ uid }) => uid));
          expect([...numbersOf(list.uidRanges())]).toEqual(plain.map(({ uid }) => uid));
          expect([...numbersOf(list.numberRanges())]).toEqual(plain.map(({ index }) => index + 1));
          expect([...list.filter((index) => index % 2 === 0)]).toEqual(
            plain.filter(({ index }) => index % 2 === 0),
          );
        }
      }),
      { seed: 7 },
    );
  });
});
