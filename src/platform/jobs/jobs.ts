// The seam of background work: durable jobs and the schedules that feed them.
import type { AlertBus } from '../alerts/alert-bus.ts';
import type { Log } from '../log/log.ts';
import type { Database } from '../postgres/database.ts';
import { createJobQueue } from './job-queue.ts';
import type { JobData, JobQueue } from './job-queue.ts';
import { createSchedules } from './schedules.ts';

export type { JobContext, JobData, JobHandler, JobOptions, SendJobOptions } from './job-queue.ts';

export interface Jobs extends JobQueue {
  /** One node of all puts a job with `data` into the queue `name` whenever `cron` (UTC) says. */
  schedule(name: string, cron: string, data?: JobData): void;
  /** Whether this node is the one that fires schedules. */
  isLeader(): boolean;
}

export interface JobsOptions {
  readonly database: Database;
  readonly log: Log;
  readonly alerts: AlertBus;
  /** This process, unique among all nodes. */
  readonly holder: string;
  readonly pollSeconds?: number;
  readonly superviseSeconds?: number;
  readonly silentSeconds?: number;
  readonly leaseSeconds?: number;
}

/** Nothing runs before `start`. */
export function createJobs(options: JobsOptions): Jobs {
  const { database, log, holder, leaseSeconds } = options;
  const queue = createJobQueue(options);
  const schedules = createSchedules({
    database,
    queue,
    log,
    holder,
    ...(leaseSeconds === undefined ? {} : { leaseSeconds }),
  });
  return {
    define: (name, handler, jobOptions) => queue.define(name, handler, jobOptions),
    send: (name, data, sendOptions) => queue.send(name, data, sendOptions),
    retry: (name, id) => queue.retry(name, id),
    schedule: (name, cron, data) => schedules.add(name, cron, data),
    isLeader: () => schedules.isLeader(),
    start: async () => {
      await queue.start();
      schedules.start();
    },
    stop: async () => {
      await schedules.stop();
      await queue.stop();
    },
  };
}
