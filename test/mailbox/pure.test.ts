// The pure parts: bits, folding, uid parts, snapshot bytes, and the picture of a session.
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  allFlagBits,
  andBits,
  hasBit,
  orBits,
  systemFlagBit,
  withoutBits,
} from '../../src/mailbox/flags/bits.ts';
import { type FlagEdit, foldEdits } from '../../src/mailbox/flags/fold.ts';
import type { Uid } from '../../src/kernel/ids.ts';
import { parseNumberList } from '../../src/mailbox/state/number-list.ts';
import { Generation } from '../../src/mailbox/state/generation.ts';
import { decodeSnapshotPart, encodeSnapshotPart } from '../../src/mailbox/state/snapshot-format.ts';
import { uidParts } from '../../src/mailbox/uid-parts.ts';
import { uids } from './stage.ts';

const bits = fc.integer({ min: 0, max: allFlagBits });
const runs = { numRuns: 300, seed: 7 };

describe('bits', () => {
  test('equal the operators of BigInt on 52 bits', () => {
    fc.assert(
      fc.property(bits, bits, (a, b) => {
        expect(BigInt(orBits(a, b))).toBe(BigInt(a) | BigInt(b));
        expect(BigInt(andBits(a, b))).toBe(BigInt(a) & BigInt(b));
        expect(BigInt(withoutBits(a, b))).toBe(BigInt(a) & ~BigInt(b));
      }),
      runs,
    );
    expect(hasBit(2 ** 51, 51)).toBe(true);
    expect(systemFlagBit('\\dELETED')).toBe(3);
    expect(systemFlagBit('\\Recent')).toBeUndefined();
  });
});

describe('foldEdits', () => {
  const edit = fc.record({
    uid: fc.integer({ min: 1, max: 3 }),
    removed: fc.integer({ min: 0, max: 15 }),
    added: fc.integer({ min: 0, max: 15 }),
    since: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }),
  });

  test('gives what the changes give one after the other', () => {
    // What was set and taken away again before anyone saw it is no change: `base` is what was seen.
    type Row = { flags: number; modseq: number; base: number };
    const settle = (row: Row): void => {
      if (row.flags !== row.base) Object.assign(row, { base: row.flags, modseq: 20 });
    };
    const apply = (row: Row, change: FlagEdit): void => {
      if (change.since !== undefined) settle(row);
      if (change.since !== undefined && row.modseq > change.since) return;
      row.flags = orBits(withoutBits(row.flags, change.removed), change.added);
      if (change.since !== undefined) settle(row);
    };
    fc.assert(
      fc.property(
        fc.array(edit, { maxLength: 12 }),
        fc.integer({ min: 0, max: 15 }),
        (list, start) => {
          const edits = list.map((one, i) => ({
            ...one,
            custodian: 'c',
            mailbox: 'm',
            event: `e${i}`,
          }));
          const rows = () =>
            new Map([1, 2, 3].map((uid) => [uid, { flags: start, modseq: 5, base: start }]));
          const plain = rows();
          for (const one of edits) apply(plain.get(one.uid)!, one);
          const folded = rows();
          const waves = foldEdits(edits.entries());
          for (const wave of waves) {
            expect(new Set(wave.map(({ uid }) => uid)).size).toBe(wave.length);
            for (const one of wave) apply(folded.get(one.uid)!, one);
            folded.forEach(settle);
          }
          for (const [uid, row] of plain) expect(folded.get(uid)!.flags).toBe(row.flags);
          const items = waves.flat().flatMap((one) => one.items);
          expect(items.sort((a, b) => a - b)).toEqual(edits.map((_, i) => i));
        },
      ),
      runs,
    );
  });
});

describe('uidParts', () => {
  test('sorts, drops doubles, and fits every part into an event', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 2 ** 32 - 1 }), { maxLength: 4_000 }),
        (list) => {
          const parts = uidParts(list as Uid[]);
          const all = parts.flatMap((piece) => piece.uids);
          expect(all).toEqual([...new Set(list)].sort((a, b) => a - b));
          for (const { text } of parts) expect(text.length).toBeLessThanOrEqual(12_100);
        },
      ),
      { numRuns: 50, seed: 7 },
    );
    const run = Array.from({ length: 25_000 }, (_, i) => i + 1) as Uid[];
    expect(uidParts(run).map(({ text }) => text)).toEqual([
      '1:10000',
      '10001:20000',
      '20001:25000',
    ]);
    expect(uidParts([])).toEqual([]);
    expect(uidParts(uids(3, 1, 3, 2, 7))).toEqual([{ uids: [1, 2, 3, 7], text: '1:3,7' }]);
  });
});

describe('snapshot parts', () => {
  const message = fc.record({
    gap: fc.integer({ min: 1, max: 70_000 }),
    flags: bits,
    modseq: bits,
  });

  function filled(list: readonly { gap: number; flags: number; modseq: number }[]): Generation {
    const out = new Generation();
    let uid = 0;
    for (const { gap, flags, modseq } of list) out.push((uid += gap), flags, modseq);
    return out;
  }
  const rows = (state: Generation) =>
    Array.from(state.uids(), (uid, i) => [uid, state.flagsAt(i), state.modseqAt(i)]);

  test('decode to what was encoded, in parts of any size', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 60 }),
        fc.integer({ min: 1, max: 70 }),
        (list, size) => {
          const state = filled(list);
          const back = new Generation();
          for (let from = 0; from < state.count; from += size) {
            const part = encodeSnapshotPart(state, from, Math.min(state.count, from + size));
            expect(decodeSnapshotPart(part, back)).toBe(true);
          }
          expect(rows(back)).toEqual(rows(state));
        },
      ),
      runs,
    );
  });

  test('are refused when a byte is changed, cut or added', () => {
    const part = encodeSnapshotPart(
      filled([
        { gap: 9, flags: 3, modseq: 7 },
        { gap: 1, flags: 2 ** 40, modseq: 8 },
      ]),
      0,
      2,
    );
    for (let i = 0; i < part.length; i += 1) {
      const bad = Buffer.from(part);
      bad[i] = bad[i]! ^ 1;
      expect(decodeSnapshotPart(bad, new Generation())).toBe(false);
      expect(decodeSnapshotPart(part.subarray(0, i), new Generation())).toBe(false);
    }
    expect(decodeSnapshotPart(Buffer.concat([part, Buffer.alloc(1)]), new Generation())).toBe(
      false,
    );
    // In order: a second part may not begin below the end of the first.
    expect(decodeSnapshotPart(part, filled([{ gap: 50, flags: 0, modseq: 1 }]))).toBe(false);
  });

  test('equal the vector of docs/formats/mailbox-snapshot.md', () => {
    const state = filled([
      { gap: 1, flags: 1, modseq: 2 },
      { gap: 1, flags: 0, modseq: 5 },
      { gap: 5, flags: 300, modseq: 9 },
    ]);
    expect(encodeSnapshotPart(state, 0, 3).toString('hex')).toBe(vector);
  });
});
const vector =
  '01020100000000030000000000000002' +
  '000000010000000200000007' +
  '00010000012c' +
  '000307' +
  'b259aabd';

describe('Generation', () => {
  test('without() takes ranges out and leaves the old one as it was', () => {
    const state = new Generation();
    for (let uid = 1; uid <= 10; uid += 1) state.push(uid, 0, 1);
    const less = state.without([
      { first: 0, last: 2 },
      { first: 5, last: 5 },
      { first: 9, last: 99 },
    ]);
    expect(Array.from(less.uids())).toEqual([3, 4, 6, 7, 8]);
    expect(state.count).toBe(10);
    expect(less.indexOf(6)).toBe(2);
    expect(less.indexOf(5)).toBe(-1);
    expect(less.indexOf(1)).toBe(-1);
    expect(less.without([{ first: 1, last: 2 }])).toBe(less);
    expect(less.bytes / less.count).toBeLessThanOrEqual(24 + (16 * 20) / 5);
  });
});

test('parseNumberList reads the text form of bigint[] and nothing else', () => {
  fc.assert(
    fc.property(fc.array(bits), (list) => {
      expect(parseNumberList(`{${list.join(',')}}`)).toEqual(list);
    }),
    runs,
  );
  for (const bad of ['', '{', '1,2', '{1,}', '{,}', '{1,NULL}', '{-1}', '{1 ,2}']) {
    expect(() => parseNumberList(bad)).toThrow(RangeError);
  }
});
