// The judge of a CI run, by its exit code and findings on summaries as the reporter writes them.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'postseal-judge-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const { minutesPerRoom, minutesTotal } = JSON.parse(
  readFileSync(join(root, '.ci/budget.json'), 'utf8'),
) as { minutesPerRoom: Record<string, number>; minutesTotal: number };
const inMs = (share: number): Record<string, number> =>
  Object.fromEntries(
    Object.entries(minutesPerRoom).map(([room, minutes]) => [room, minutes * 60_000 * share]),
  );

interface Summary {
  readonly failed: number;
  readonly skipped: readonly string[];
  readonly rooms: Readonly<Record<string, number>>;
}

function judge(summary?: Partial<Summary>): { code: number | null; findings: string[] } {
  const file = join(folder, 'rooms.json');
  rmSync(file, { force: true });
  if (summary !== undefined) {
    const whole: Summary = { failed: 0, skipped: [], rooms: inMs(1), ...summary };
    writeFileSync(file, JSON.stringify(whole));
  }
  const { status, stdout } = spawnSync(process.execPath, [join(root, '.ci/judge.mjs'), file], {
    encoding: 'utf8',
  });
  const findings = [...stdout.matchAll(/^ci: FINDING: (.*)$/gm)].map(([, text = '']) => text);
  return { code: status, findings };
}

test('a run inside its minutes passes', () => {
  expect(judge({})).toEqual({ code: 0, findings: [] });
});

test('every room is held to its minutes, not to more', () => {
  const { code, findings } = judge({ rooms: inMs(1.01) });
  expect(code).toBe(1);
  expect(findings).toEqual(
    Object.entries(minutesPerRoom).map(([room, minutes]) =>
      expect.stringMatching(
        new RegExp(`^${room} took .* minutes, its budget is ${String(minutes)}$`),
      ),
    ),
  );
});

test('a failure, a skip, a room without a budget and a run without an end are findings', () => {
  expect(judge({ failed: 2 })).toEqual({ code: 1, findings: ['2 failed'] });
  expect(judge({ skipped: ['a.test.ts: x [skipped: no curl]'] })).toEqual({
    code: 1,
    findings: ['skipped: a.test.ts: x [skipped: no curl]'],
  });
  expect(judge({ rooms: { newroom: 1 } })).toEqual({
    code: 1,
    findings: ['newroom took 0.00 minutes, it has no budget'],
  });
  expect(judge()).toEqual({ code: 1, findings: ['the suite did not come to its end'] });
});

test('each room with suites has a budget, and together they are within the total', () => {
  const suites = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' });
  const rooms = suites
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => path.split('/')[0]);
  expect([...new Set(rooms)].sort()).toEqual(Object.keys(minutesPerRoom).sort());
  const sum = Object.values(minutesPerRoom).reduce((all, minutes) => all + minutes, 0);
  expect(sum).toBeLessThanOrEqual(minutesTotal);
});
