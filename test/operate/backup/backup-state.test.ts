// The memory of a home's backup: a tail adds a line, a crash in the middle of one costs that line alone, and what
// the whole state has is not added once more.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import {
  afterStep,
  type BackupState,
  firstState,
  readState,
  type StateStep,
  writeState,
  writeStep,
} from '../../../src/operate/backup/backup-state.ts';
import type { Piece } from '../../../src/operate/backup/set.ts';

const home = mkdtempSync(join(tmpdir(), 'postseal-state-'));
afterAll(() => rmSync(home, { recursive: true }));

const target = '/a/target';
const piece = (from: number, length: number): Piece => ({
  ...{ area: 'packs', path: 'a/b', from, length, object: `o${String(from)}`, at: 0, sha256: '' },
});
const step = (n: number, pieces: readonly Piece[]): StateStep => ({
  ...{
    base: 's0',
    last: `s${String(n)}`,
    previous: `s${String(n - 1)}`,
    lastPath: `p${String(n)}`,
  },
  ...{ lastSegment: undefined, coveredUntil: `2026-01-0${String(n + 1)}T00:00:00Z`, pieces },
});
const log = join(home, 'backup', 'state.log');

test('tails are read back; a torn one, and one that the whole state has, do not count', async () => {
  let state: BackupState = firstState(target, 'full', step(0, [piece(0, 5)]));
  await writeState(home, state);
  for (const next of [step(1, [piece(5, 2)]), step(2, [piece(7, 1)])]) {
    const before = state;
    state = afterStep(state, next);
    expect(before.pieces.get('packs/a/b')).toHaveLength(next.last === 's1' ? 1 : 2);
    await writeStep(home, next);
  }
  const lines = readFileSync(log, 'utf8');
  expect(lines.split('\n')).toHaveLength(3);
  appendFileSync(log, JSON.stringify(step(3, [piece(8, 9)])).slice(0, 40));
  expect(await readState(home, target)).toEqual(state);
  // As after a crash between the whole state and the end of its lines.
  writeFileSync(log, lines);
  expect(await readState(home, target)).toEqual(state);
  expect(await readState(home, '/another')).toBeUndefined();
});
