import { expect, test } from '@jest/globals';
import { CheckpointLag } from '../../src/ledger/sequencer/checkpoint-lag.ts';

test('counts from the newest checkpoint while leaves wait, and from nothing while none do', () => {
  const lag = new CheckpointLag();
  const looks = [
    // An idle ledger is not late, however old its checkpoint is.
    [7, 7, 0, 0],
    [7, 7, 90_000, 0],
    // Leaves wait, and more come.
    [8, 7, 100_000, 0],
    [12, 7, 103_000, 3_000],
    // A busy ledger is never signed to its end, but each checkpoint is a new beginning.
    [20, 12, 104_000, 0],
    [30, 12, 105_000, 1_000],
    [30, 30, 106_000, 0],
    [31, 30, 109_000, 0],
    // A checkpoint that went back, as after a restore, covers what it covers.
    [31, 5, 110_000, 0],
    [31, 5, 114_000, 4_000],
  ] as const;
  expect(looks.map(([leaves, signed, now]) => lag.look(leaves, signed, now))).toEqual(
    looks.map(([, , , expected]) => expected),
  );
});
