// The primary's side of the worker processes: starts them, starts them again when they die, passes
// failed sign-ins on to all, and lets all forget their keys.
import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { DayKey } from '../access/unknown-names.ts';
import { type ErrorCode, errorRegistry, PostsealError } from '../kernel/errors.ts';
import type { TracedSession } from '../imap/session-trace.ts';
import type { AlertBus } from '../platform/alerts/alert-bus.ts';
import type { Log } from '../platform/log/log.ts';
import type { NodeContext } from './node-context.ts';
import {
  type Answers,
  type FromWorker,
  isPostsealMessage,
  type Question,
  type ToWorker,
  type WorkerPorts,
} from './worker-messages.ts';

export interface Workers {
  readonly ports: WorkerPorts;
  readonly count: number;
  /** Resolves when every worker has forgotten its opened keys. */
  flush(): Promise<void>;
  /** Resolves when every worker has forgotten the failed sign-ins of a name. */
  forgetFailures(nameKey: string): Promise<void>;
  /** IMAP sessions of all workers. */
  sessions(): Promise<TracedSession[]>;
  /** Hangs up; how many sessions there were. */
  kick(of: { readonly session: string } | { readonly account: string }): Promise<number>;
  stop(): Promise<void>;
}

export interface WorkersOptions {
  readonly count: number;
  readonly context: NodeContext;
  readonly log: Log;
  readonly alerts: AlertBus;
  /** Today's link of the chain of unknown names, asked for each worker that starts. */
  readonly unknownNames: () => DayKey;
  readonly onSignInFailure: (nameKey: string, ip: string) => void;
}

/** Before the first new start; doubled as long as it fails. */
const restartMs = 500;
const restartMsMax = 30_000;
const stopMsMax = 15_000;

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorRegistry, code);
}

class WorkerPool implements Workers {
  readonly #options: WorkersOptions;
  #ports: WorkerPorts = { imap: undefined, imaps: undefined, lmtp: undefined };
  #stopping = false;
  #asked = 0;

  constructor(options: WorkersOptions) {
    this.#options = options;
    cluster.setupPrimary({
      exec: fileURLToPath(new URL('worker-main.ts', import.meta.url)),
      args: [],
    });
  }

  get ports(): WorkerPorts {
    return this.#ports;
  }

  get count(): number {
    return this.#all().length;
  }

  async open(): Promise<void> {
    for (let index = 1; index <= this.#options.count; index += 1) await this.#fork(index);
  }

  async flush(): Promise<void> {
    await this.#ask({ what: 'flush' });
  }

  async forgetFailures(nameKey: string): Promise<void> {
    await this.#ask({ what: 'forget-failures', nameKey });
  }

  async sessions(): Promise<TracedSession[]> {
    return (await this.#ask({ what: 'sessions' })).flat();
  }

  async kick(of: { readonly session: string } | { readonly account: string }): Promise<number> {
    const counts = await this.#ask({ what: 'kick', ...of });
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      this.#all().map(async (worker) => {
        // One that has ended by itself says so no more.
        if (worker.isDead()) return;
        const gone = new Promise((resolve) => worker.once('exit', resolve));
        this.#tell(worker, { postseal: 'stop' });
        const late = setTimeout(() => worker.process.kill('SIGKILL'), stopMsMax);
        await gone;
        clearTimeout(late);
      }),
    );
  }

  #all(): Worker[] {
    return Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
  }

  /** Answers of all workers that live to give one. */
  async #ask<Q extends Question>(question: Q): Promise<Answers[Q['what']][]> {
    this.#asked += 1;
    const id = this.#asked;
    const answers = await Promise.all(
      this.#all().map((worker) => this.#askOne(worker, id, question)),
    );
    return answers.flatMap((given) => (given === undefined ? [] : [given.answer]));
  }

  #askOne<Q extends Question>(
    worker: Worker,
    id: number,
    question: Q,
  ): Promise<{ readonly answer: Answers[Q['what']] } | undefined> {
    return new Promise((resolve) => {
      const done = (given?: { readonly answer: Answers[Q['what']] }): void => {
        worker.off('message', heard);
        worker.off('exit', gone);
        resolve(given);
      };
      const heard = (message: unknown): void => {
        if (!isPostsealMessage(message)) return;
        const said = message as FromWorker;
        // The worker answers the question that has this number, so the answer is of its kind.
        if (said.postseal === 'answered' && said.id === id) {
          done({ answer: said.answer as Answers[Q['what']] });
        }
      };
      // A worker that is gone has forgotten everything.
      const gone = (): void => done();
      worker.on('message', heard);
      worker.on('exit', gone);
      if (worker.isDead() || !worker.isConnected()) done();
      else this.#tell(worker, { postseal: 'ask', id, question });
    });
  }

  #tell(worker: Worker, message: ToWorker): void {
    if (worker.isConnected()) worker.send(message);
  }

  #fork(index: number): Promise<void> {
    const { context, log } = this.#options;
    const worker = cluster.fork();
    return new Promise((resolve, reject) => {
      let listening = false;
      worker.on('message', (message: unknown) => {
        if (!isPostsealMessage(message)) return;
        const said = message as FromWorker;
        if (said.postseal === 'listening') {
          listening = true;
          this.#ports = said.ports;
          log.info('server.worker.started', { index, pid: worker.process.pid });
          resolve();
        } else if (said.postseal === 'failed') {
          reject(new PostsealError(isCode(said.code) ? said.code : 'internal', said.fields));
        } else if (said.postseal === 'sign-in-failed') {
          this.#passOn(worker, said);
        }
      });
      worker.once('exit', (code, signal) => {
        if (this.#stopping) return;
        log.error('server.worker.ended', { index, code, signal });
        reject(new PostsealError('internal', { worker: index, code: code || signal }));
        if (listening) this.#again(index);
      });
      const unknownNames = this.#options.unknownNames();
      this.#tell(worker, { postseal: 'start', context, index, unknownNames });
    });
  }

  #again(index: number, waitMs = restartMs): void {
    this.#options.alerts.raise({ code: 'server.worker-died', fields: { index } });
    setTimeout(() => {
      if (this.#stopping) return;
      this.#fork(index).catch(() => {
        // The end was logged; the next try follows from here, since it never listened.
        if (!this.#stopping) this.#again(index, Math.min(waitMs * 2, restartMsMax));
      });
    }, waitMs);
  }

  #passOn(from: Worker, failure: Extract<FromWorker, { postseal: 'sign-in-failed' }>): void {
    this.#options.onSignInFailure(failure.nameKey, failure.ip);
    for (const worker of this.#all()) {
      if (worker !== from) this.#tell(worker, failure);
    }
  }
}

/** Starts all workers, one after the other, so that the first error is the one that is told. */
export async function startWorkers(options: WorkersOptions): Promise<Workers> {
  const pool = new WorkerPool(options);
  try {
    await pool.open();
  } catch (error) {
    await pool.stop();
    throw error;
  }
  return pool;
}
