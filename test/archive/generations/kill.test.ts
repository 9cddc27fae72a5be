// kill -9 in the middle of a switch of key generations, key service and all, again and again at another place:
// it goes on where it was, every mail opens, and what was erased does not come back.
import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect } from '@jest/globals';
import type { StoredRecord } from '../../../src/archive/types.ts';
import { testIf } from '../../harness/needs.ts';
import { openSwitchStage, type SwitchStage, tokenProfile } from './switch-stage.ts';

let run: SwitchStage;
beforeAll(async () => {
  run = await openSwitchStage();
}, 60_000);
afterAll(() => run.close());

const program = fileURLToPath(new URL('switch-until-killed.ts', import.meta.url));

/** Starts the child and kills it `ms` after its line number `line`; false if it came to its end before. */
function killAfter(line: number, ms: number): Promise<boolean> {
  const { stage, keysFolder, db } = run;
  const argv = [program, db.url, stage.organisation, stage.packs, keysFolder];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  let aimed = false;
  return new Promise((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
      if (aimed || text.split('\n').length <= line) return;
      aimed = true;
      void sleep(ms).then(() => child.kill('SIGKILL'));
    });
    child.on('close', () => resolve(!text.endsWith('end\n')));
  });
}

// A key file has one writer, so the child cannot open it beside this process.
const hasToken = tokenProfile !== undefined;
testIf(
  hasToken,
  'no token',
  'is safe at every step',
  async () => {
    const left: StoredRecord[] = [];
    const gone: StoredRecord[] = [];
    for (let i = 0; i < 40; i += 1) {
      const taken = await run.fill(await run.newCustodian(), 2);
      if (i % 3 === 0) {
        const erased = taken.shift()!;
        await run.node.shred(erased);
        gone.push(erased);
      }
      left.push(...taken);
    }
    const places: [line: number, ms: number][] = [
      ...[0, 8, 30].map((ms): [number, number] => [1, ms]),
      ...[0, 4].map((ms): [number, number] => [2, ms]),
      ...[3, 4, 6, 9].map((line): [number, number] => [line, line % 3]),
    ];
    let kills = 0;
    for (const [line, ms] of places) kills += (await killAfter(line, ms)) ? 1 : 0;
    expect(kills).toBeGreaterThan(5);
    expect(await killAfter(1_000, 0)).toBe(false);
    await run.stage.restartKeys();
    expect(await run.unreadable(left)).toEqual([]);
    expect((await run.unreadable(gone)).length).toBe(gone.length);
    expect(await run.generations()).toMatchObject([
      { state: 'retired', custodianKeys: 0, organisationKeys: 0, groupKeys: 0 },
      { state: 'live', custodianKeys: 40 },
    ]);
    expect(
      await run.rows(
        `SELECT state, count(*)::int AS keys FROM group_key GROUP BY state ORDER BY state`,
      ),
    ).toEqual([
      { state: 'destroyed', keys: 14 },
      { state: 'live', keys: 40 },
    ]);
  },
  120_000,
);
