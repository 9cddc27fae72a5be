// Durable background work in PostgreSQL on pg-boss (docs/adr/0003-job-queue.md). A job's data lies in
// clear in the database: ids and counts only, never anything personal. Handlers run at least once.
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { PgBoss } from 'pg-boss';
import type { ConnectionOptions, JobWithMetadata, SendOptions } from 'pg-boss';
import { PostsealError } from '../../kernel/errors.ts';
import type { AlertBus } from '../alerts/alert-bus.ts';
import type { Log } from '../log/log.ts';
import type { Database } from '../postgres/database.ts';
import { mapPostgresError } from '../postgres/postgres-errors.ts';

export type JobData = Readonly<Record<string, string | number | boolean | null>>;

export interface JobContext {
  readonly id: string;
  /** 0 at the first attempt. */
  readonly attempt: number;
  /** Aborted when the job runs out of time or its claim was lost. */
  readonly signal: AbortSignal;
}
export type JobHandler = (data: JobData, context: JobContext) => Promise<void>;

export interface JobOptions {
  /** Attempts after the first; default 5. Then the job is dead and an alert is raised. */
  readonly retries?: number;
  /** First delay before a retry, doubled each time; default 5. */
  readonly retrySeconds?: number;
  /** Time for one attempt; default 900. */
  readonly timeoutSeconds?: number;
  /** Jobs of this name that this process runs at the same time; default 1. */
  readonly concurrency?: number;
}

export interface SendJobOptions {
  /** Equal keys of one name are one job, as long as the first is kept. */
  readonly key?: string;
  readonly afterSeconds?: number;
  /** Sends within this transaction: the job exists if and only if it commits. */
  readonly client?: pg.ClientBase;
}

export interface JobQueue {
  /** Before `start`. Every process that works on a name defines it alike. */
  define(name: string, handler: JobHandler, options?: JobOptions): void;
  /** @returns the job's id, or undefined when one with this key is there already. */
  send(name: string, data: JobData, options?: SendJobOptions): Promise<string | undefined>;
  /** Puts a dead job back into its queue. */
  retry(name: string, id: string): Promise<void>;
  start(): Promise<void>;
  /** Waits for running handlers, at most 30 s. */
  stop(): Promise<void>;
}

export interface JobQueueOptions {
  readonly database: Database;
  readonly log: Log;
  readonly alerts: AlertBus;
  /** Seconds between looks for work; default 2. */
  readonly pollSeconds?: number;
  /** Seconds between looks for jobs whose process is gone or that ran out of time; default 60, at least 1. */
  readonly superviseSeconds?: number;
  /** Seconds of silence after which a running job's process counts as gone; default 60, at least 10. */
  readonly silentSeconds?: number;
}

interface Definition {
  readonly handler: JobHandler;
  readonly options: JobOptions;
}

const deadLetters = 'dead-letters';
const keptSeconds = 30 * 86_400;

export function createJobQueue(options: JobQueueOptions): JobQueue {
  const { database, log, superviseSeconds = 60 } = options;
  const definitions = new Map<string, Definition>();
  const boss = new PgBoss({
    db: executor(database.pool),
    // Schedules are ours (schedules.ts); the library's registry would only keep host names.
    schedule: false,
    registerInstance: false,
    openTelemetry: { enabled: false },
    // A look needs both: the first wakes it, the second says how old the last look must be.
    superviseIntervalSeconds: superviseSeconds,
    monitorIntervalSeconds: superviseSeconds,
  });
  boss.on('error', (error) => log.error('job.queue.failed', { error }));
  boss.on('warning', () => log.warn('job.queue.warned'));

  return {
    define: (name, handler, jobOptions = {}) => {
      definitions.set(name, { handler, options: jobOptions });
    },
    send: async (name, data, sendOptions = {}) => {
      try {
        return (await boss.send(name, data, bossOptions(name, sendOptions))) ?? undefined;
      } catch (error) {
        throw mapPostgresError(error, { job: name });
      }
    },
    retry: async (name, id) => {
      await boss.retry(name, id);
    },
    start: async () => {
      await boss.start();
      await boss.createQueue(deadLetters, { deleteAfterSeconds: keptSeconds });
      for (const [name, definition] of definitions) {
        await openQueue(boss, options, name, definition);
      }
      await watchDeadLetters(boss, options);
    },
    stop: () => boss.stop({ graceful: true, timeout: 30_000, close: false }),
  };
}

async function openQueue(
  boss: PgBoss,
  { log, pollSeconds = 2, silentSeconds = 60 }: JobQueueOptions,
  name: string,
  { handler, options }: Definition,
): Promise<void> {
  const settings = {
    retryLimit: options.retries ?? 5,
    retryDelay: options.retrySeconds ?? 5,
    retryBackoff: true,
    expireInSeconds: options.timeoutSeconds ?? 900,
    // Some jobs may run for hours; the death of their process is seen by its silence, long before.
    heartbeatSeconds: silentSeconds,
    deleteAfterSeconds: keptSeconds,
    deadLetter: deadLetters,
  };
  await boss.createQueue(name, settings);
  // It exists since an earlier version, perhaps with other settings.
  await boss.updateQueue(name, settings);
  const workOptions = {
    includeMetadata: true as const,
    pollingIntervalSeconds: pollSeconds,
    localConcurrency: options.concurrency ?? 1,
  };
  await boss.work<JobData, unknown, typeof workOptions>(name, workOptions, async (jobs) => {
    for (const job of jobs) await runJob(log, handler, job);
  });
}

async function runJob(log: Log, handler: JobHandler, job: JobWithMetadata<JobData>): Promise<void> {
  const about = { job: job.name, id: job.id, attempt: job.retryCount };
  const began = performance.now();
  try {
    await handler(job.data, { id: job.id, attempt: job.retryCount, signal: job.signal });
    log.info('job.run.completed', { ...about, durationMs: Math.round(performance.now() - began) });
  } catch (error) {
    log.warn('job.run.failed', { ...about, error });
    // The library stores what is thrown, in clear; a foreign error may quote data.
    throw new Error(error instanceof PostsealError ? error.code : 'internal');
  }
}

/** Every dead job, also of a process that died with it, ends here once. */
async function watchDeadLetters(boss: PgBoss, options: JobQueueOptions): Promise<void> {
  const { alerts, pollSeconds = 2 } = options;
  const workOptions = { includeMetadata: true as const, pollingIntervalSeconds: pollSeconds };
  await boss.work<JobData, unknown, typeof workOptions>(deadLetters, workOptions, (jobs) => {
    for (const job of jobs) {
      const fields = { job: job.sourceName ?? 'unknown', id: job.sourceId ?? job.id };
      alerts.raise({ code: 'job.dead', fields });
    }
    return Promise.resolve();
  });
}

function bossOptions(name: string, options: SendJobOptions): SendOptions {
  return {
    ...(options.key === undefined ? {} : { id: keyedId(name, options.key) }),
    ...(options.afterSeconds === undefined ? {} : { startAfter: options.afterSeconds }),
    ...(options.client === undefined ? {} : { db: executor(options.client) }),
  };
}

/** The same key gives the same id, and an id exists once: no window in which two slip in. */
function keyedId(name: string, key: string): string {
  const hex = createHash('sha256').update(`${name}\0${key}`).digest('hex');
  // Shaped as UUID version 8 (RFC 9562 §5.8), the one for ids made in one's own way.
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * What the library calls a database: our pool, or a connection inside a transaction. Its supervision
 * sends several statements at once, and looks for its answer among the rows of all of them.
 */
function executor(client: pg.Pool | pg.ClientBase): NonNullable<ConnectionOptions['db']> {
  return {
    executeSql: async (text, values) => {
      const result: pg.QueryResult | readonly pg.QueryResult[] = await client.query(text, values);
      return { rows: [result].flat().flatMap(({ rows }) => rows as unknown[]) };
    },
  };
}
