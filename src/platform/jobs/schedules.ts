// Cron schedules (node-cron, UTC) that put jobs into the queue. Every node keeps them, but only the
// holder of one lease fires; and a job's key is its due second, so a change of holder doubles nothing.
import { schedule as cron, validate } from 'node-cron';
import type { ScheduledTask } from 'node-cron';
import { PostsealError } from '../../kernel/errors.ts';
import type { Log } from '../log/log.ts';
import type { Database } from '../postgres/database.ts';
import type { JobData, JobQueue } from './job-queue.ts';
import { holdLease } from './lease.store.ts';
import type { Lease } from './lease.store.ts';

export interface Schedules {
  /** `expression` has five fields, or six with seconds first. @throws PostsealError `usage`. */
  add(name: string, expression: string, data?: JobData): void;
  start(): void;
  stop(): Promise<void>;
  /** Whether this node is the one that fires. */
  isLeader(): boolean;
}

export interface SchedulesOptions {
  readonly database: Database;
  readonly queue: JobQueue;
  readonly log: Log;
  readonly holder: string;
  /** Seconds after which another node takes over from a silent one; default 15. */
  readonly leaseSeconds?: number;
}

interface Entry {
  readonly name: string;
  readonly expression: string;
  readonly data: JobData;
}

export function createSchedules(options: SchedulesOptions): Schedules {
  const { database, queue, log, holder } = options;
  const entries: Entry[] = [];
  let tasks: ScheduledTask[] = [];
  let lease: Lease | undefined;

  const fire = async ({ name, data }: Entry, dueAt: Date): Promise<void> => {
    if (lease?.isHeld() !== true) return;
    const due = new Date(Math.floor(dueAt.getTime() / 1_000) * 1_000).toISOString();
    try {
      const id = await queue.send(name, data, { key: `due ${due}` });
      if (id !== undefined) log.debug('job.schedule.fired', { job: name, due });
    } catch (error) {
      log.error('job.schedule.failed', { job: name, due, error });
    }
  };

  return {
    add: (name, expression, data = {}) => {
      if (!validate(expression)) throw new PostsealError('usage', { job: name, cron: expression });
      entries.push({ name, expression, data });
    },
    start: () => {
      const seconds = options.leaseSeconds ?? 15;
      lease = holdLease({ database, name: 'schedules', holder, seconds, log });
      tasks = entries.map((entry) =>
        cron(entry.expression, ({ date }) => fire(entry, date), {
          name: entry.name,
          timezone: 'UTC',
          suppressMissedWarning: true,
        }),
      );
    },
    stop: async () => {
      for (const task of tasks) await task.destroy();
      tasks = [];
      await lease?.stop();
    },
    isLeader: () => lease?.isHeld() === true,
  };
}
