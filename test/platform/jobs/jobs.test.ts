// Jobs on a real database: durable, transactional, retried, dead with an alert; one node schedules.
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PostsealError } from '../../../src/kernel/errors.ts';
import type { UnixMs } from '../../../src/kernel/time.ts';
import { createAlertBus } from '../../../src/platform/alerts/alert-bus.ts';
import { createJobs } from '../../../src/platform/jobs/jobs.ts';
import type { JobData, JobOptions, Jobs } from '../../../src/platform/jobs/jobs.ts';
import { assertLease, holdLease } from '../../../src/platform/jobs/lease.store.ts';
import type { Lease } from '../../../src/platform/jobs/lease.store.ts';
import { createMemoryLog } from '../../harness/memory-log.ts';
import { startTestDatabase } from '../../harness/postgres.ts';
import type { TestDatabase } from '../../harness/postgres.ts';

// Real servers start and stop here, on machines that may be busy.
jest.setTimeout(120_000);

let given: TestDatabase;
beforeAll(async () => {
  given = await startTestDatabase();
});
afterAll(() => given.drop());

const log = createMemoryLog();
const alerts = createAlertBus({ log, now: () => 0 as UnixMs });
const newJobs = (holder: string): Jobs =>
  createJobs({ database: given.database, log, alerts, holder, pollSeconds: 0.5, leaseSeconds: 1 });

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_500; tries += 1) {
    if (await what()) return;
    await sleep(50);
  }
  throw new Error(`never became true: ${what.toString()}`);
}

describe('createJobs', () => {
  test('runs once what a committed transaction sent, and nothing of one that rolled back', async () => {
    const done: JobData[] = [];
    const jobs = newJobs('one');
    jobs.define('fold', (data) => {
      done.push(data);
      return Promise.resolve();
    });
    await jobs.start();
    await given.database.transaction((client) => jobs.send('fold', { n: 1 }, { client }));
    await given.database
      .transaction(async (client) => {
        await jobs.send('fold', { n: 2 }, { client });
        throw new PostsealError('store.aborted');
      })
      .catch(() => undefined);
    expect(await jobs.send('fold', { n: 3 }, { key: 'same' })).toBeDefined();
    expect(await jobs.send('fold', { n: 4 }, { key: 'same' })).toBeUndefined();
    await until(() => done.length === 2);
    await jobs.stop();
    expect(done.map(({ n }) => n).sort()).toEqual([1, 3]);
  });

  test('survives a restart, retries, and a dead job is one alert, without foreign words in the database', async () => {
    const sender = newJobs('two');
    sender.define('shred', () => Promise.resolve(), { retries: 1, retrySeconds: 1 });
    await sender.start();
    await sender.send('later', {}).catch(() => undefined);
    const id = await sender.send('shred', { record: 'r' }, { afterSeconds: 1 });
    await sender.stop();

    const attempts: number[] = [];
    let working = false;
    const worker = newJobs('three');
    worker.define(
      'shred',
      (_data, { attempt }) => {
        attempts.push(attempt);
        if (working) return Promise.resolve();
        return Promise.reject(new Error('canary-of-a-stranger'));
      },
      { retries: 1, retrySeconds: 1 },
    );
    await worker.start();
    await until(() => alerts.recent().length > 0);
    expect(attempts).toEqual([0, 1]);
    expect(alerts.recent()).toMatchObject([
      { class: 'P1', code: 'job.dead', fields: { job: 'shred', id } },
    ]);
    const { rows } = await given.database.pool.query<{ job: string }>(
      'SELECT row_to_json(job)::text AS job FROM pgboss.job',
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(JSON.stringify(rows)).not.toContain('canary');

    working = true;
    await worker.retry('shred', id ?? '');
    await until(() => attempts.length === 3);
    await worker.stop();
  });

  test('of two nodes one fires a schedule, each second once, and the other takes over', async () => {
    const due: string[] = [];
    const nodes = [newJobs('node-a'), newJobs('node-b')];
    for (const node of nodes) {
      node.define('tick', (_data, { id }) => {
        due.push(id);
        return Promise.resolve();
      });
      node.schedule('tick', '* * * * * *');
      await node.start();
    }
    await until(() => due.length >= 2);
    expect(nodes.filter((node) => node.isLeader())).toHaveLength(1);
    const leader = nodes.find((node) => node.isLeader());
    const other = nodes.find((node) => node !== leader);
    await leader?.stop();
    await until(() => other?.isLeader() === true);
    const before = due.length;
    await until(() => due.length > before);
    await other?.stop();
    expect(new Set(due).size).toBe(due.length);
  });

  test('refuses a schedule that is none', () => {
    expect(() => newJobs('x').schedule('fold', 'every day')).toThrow(
      expect.objectContaining({ code: 'usage' }),
    );
  });
});

describe('kill -9 of the process that works on a job', () => {
  /** The id of a job that a process took for the first time and was killed in the middle of. */
  const killHolder = async (name: string, options: JobOptions): Promise<string> => {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'job-child.ts'), given.url, name, JSON.stringify(options)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    await until(() => text.includes('\n'));
    child.kill('SIGKILL');
    await once(child, 'close');
    const [id = '', attempt] = text.trimEnd().split(' ');
    expect(attempt).toBe('0');
    return id;
  };
  const opened: Jobs[] = [];
  const supervising = (): Jobs => {
    const jobs = createJobs({
      database: given.database,
      log,
      alerts,
      holder: 'the one that stays',
      pollSeconds: 0.5,
      superviseSeconds: 1,
      silentSeconds: 10,
    });
    opened.push(jobs);
    return jobs;
  };
  afterEach(async () => {
    for (const jobs of opened.splice(0)) await jobs.stop();
  });
  const state = async (id: string): Promise<string> => {
    const { rows } = await given.database.pool.query<{ state: string }>(
      'SELECT state FROM pgboss.job WHERE id = $1',
      [id],
    );
    return rows[0]?.state ?? 'gone';
  };

  test.each([
    ['by its silence, though it may run for an hour', { timeoutSeconds: 3_600 }],
    ['by its time', { timeoutSeconds: 3 }],
  ])('%s: the job is taken again, and once', async (how, limits) => {
    const name = `resume-${how.split(' ').length}`;
    const options = { ...limits, retries: 2, retrySeconds: 1 };
    const id = await killHolder(name, options);
    expect(await state(id)).toBe('active');

    const attempts: string[] = [];
    const jobs = supervising();
    jobs.define(
      name,
      (_data, job) => {
        attempts.push(`${job.id} ${String(job.attempt)}`);
        return Promise.resolve();
      },
      options,
    );
    await jobs.start();
    await until(async () => (await state(id)) === 'completed');
    expect(attempts).toEqual([`${id} 1`]);
  });

  test('without a retry it is dead, and that is one alert', async () => {
    const options = { retries: 0, timeoutSeconds: 3_600 };
    const id = await killHolder('final', options);
    expect(await state(id)).toBe('active');
    const run = jest.fn(() => Promise.resolve());
    const jobs = supervising();
    jobs.define('final', run, options);
    await jobs.start();
    const dead = () => alerts.recent().filter(({ fields }) => fields['id'] === id);
    await until(() => dead().length > 0);
    await passes(3);
    expect(dead()).toMatchObject([{ code: 'job.dead', fields: { job: 'final', id } }]);
    expect(run).not.toHaveBeenCalled();
    expect(await state(id)).toBe('failed');
  });

  test('supervision itself finds nothing to complain of', async () => {
    const jobs = supervising();
    jobs.define('quiet', () => Promise.resolve());
    await jobs.start();
    await passes(4);
    expect(log.entries.filter(({ event }) => event.startsWith('job.queue.'))).toEqual([]);
  });
});

/** Waits until supervision has looked at every queue so many times more. */
async function passes(count: number): Promise<void> {
  const seen = new Set<number>();
  await until(async () => {
    const { rows } = await given.database.pool.query<{ at: Date | null }>(
      'SELECT min(monitor_claim_on) AS at FROM pgboss.queue',
    );
    const at = rows[0]?.at;
    if (at) seen.add(at.getTime());
    return seen.size > count;
  });
}

describe('holdLease', () => {
  const hold = (name: string, holder: string, lost: string[] = []): Lease =>
    holdLease({
      database: given.database,
      name,
      holder,
      seconds: 1,
      log,
      onLost: () => lost.push(holder),
    });

  test('has one holder; the next one has a greater fence, and the old fence no longer passes', async () => {
    const first = hold('sequencer', 'a');
    await until(() => first.isHeld());
    const oldFence = first.fence() ?? 0;
    const second = hold('sequencer', 'b');
    await sleep(1_500);
    expect(first.isHeld()).toBe(true);
    expect(second.isHeld()).toBe(false);
    await given.database.transaction((client) => assertLease(client, 'sequencer', oldFence));
    await first.stop();
    await until(() => second.isHeld());
    expect(second.fence()).toBeGreaterThan(oldFence);
    await expect(
      given.database.transaction((client) => assertLease(client, 'sequencer', oldFence)),
    ).rejects.toMatchObject({ code: 'store.conflict' });
    await second.stop();
  });

  test('one that was taken away is noticed', async () => {
    const lost: string[] = [];
    const lease = hold('stolen', 'a', lost);
    await until(() => lease.isHeld());
    await given.database.pool.query(
      "UPDATE lease SET holder = 'thief', fence = fence + 1, until = now() + interval '1 hour' WHERE name = 'stolen'",
    );
    await until(() => lost.length === 1);
    expect(lease.isHeld()).toBe(false);
    await lease.stop();
  });
});
