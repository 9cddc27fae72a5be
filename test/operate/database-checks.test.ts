// What doctor says of a database that does not run.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { clockCheck, databaseCheck } from '../../src/operate/doctor/database-checks.ts';
import type { DoctorContext } from '../../src/operate/doctor/doctor-check.ts';
import { loadConfig } from '../../src/platform/config/load-config.ts';
import { clusterFiles } from '../../src/platform/postgres/cluster.ts';

const home = mkdtempSync(join(tmpdir(), 'postseal-doctor-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const context = (more: Partial<DoctorContext> = {}): DoctorContext => ({
  config: loadConfig(undefined, { POSTSEAL_HOME: home }),
  database: undefined,
  databaseProblem: 'it cannot be reached',
  running: false,
  keys: undefined,
  keyProblem: undefined,
  now: Date.now(),
  ...more,
});

test('a home that was never started has no database; one that rests is told so, and nothing is wrong', async () => {
  expect(await databaseCheck.look(context())).toMatchObject({ verdict: 'bad' });
  mkdirSync(clusterFiles(home).data, { recursive: true });
  const stopped = await databaseCheck.look(context());
  expect(stopped).toMatchObject({ verdict: 'good', text: expect.stringContaining('not running') });
  expect(await clockCheck.look(context())).toMatchObject({ verdict: 'good' });
});

test('a database that should run and does not is bad', async () => {
  mkdirSync(clusterFiles(home).data, { recursive: true });
  const url = { POSTSEAL_HOME: home, DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' };
  const outside = { config: loadConfig(undefined, url) };
  for (const more of [{ running: true }, outside]) {
    expect(await databaseCheck.look(context(more))).toMatchObject({ verdict: 'bad' });
  }
});
