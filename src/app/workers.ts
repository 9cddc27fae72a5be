// The primary's side of the worker processes: starts them, starts them again when they die, passes
// failed sign-ins on to all, and lets all forget their keys.
import cluster, { type Worker } from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { DayKey } from '../access/unknown-names.ts';
import { type ErrorCode, errorRegistry, PostsealError } from '../kernel/errors.ts';
import type { AlertBus } from '../platform/alerts/alert-bus.ts';
import type { Log } from '../platform/log/log.ts';
import type { NodeContext } from './node-context.ts';
import {
  type FromWorker,
  isPostsealMessage,
  type ToWorker,
  type WorkerPorts,
} from './worker-messages.ts';

export interface Workers {
  readonly ports: WorkerPorts;
  readonly count: number;
  /** Resolves when every worker has forgotten its opened keys. */
  flush(): Promise<void>;
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

const restartMs = 500;
const stopMsMax = 15_000;

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorRegistry, code);
}

class WorkerPool implements Workers {
  readonly #options: WorkersOptions;
  #ports: WorkerPorts = { imap: undefined, imaps: undefined, lmtp: undefined };
  #stopping = false;
  #flushes = 0;

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
    this.#flushes += 1;
    const id = this.#flushes;
    await Promise.all(
      this.#all().map(
        (worker) =>
          new Promise<void>((resolve) => {
            const done = (): void => {
              worker.off('message', heard);
              worker.off('exit', done);
              resolve();
            };
            const heard = (message: unknown): void => {
              if (!isPostsealMessage(message)) return;
              const answer = message as FromWorker;
              if (answer.postseal === 'flushed' && answer.id === id) done();
            };
            worker.on('message', heard);
            // A worker that is gone has forgotten everything.
            worker.on('exit', done);
            this.#tell(worker, { postseal: 'flush', id });
          }),
      ),
    );
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      this.#all().map(async (worker) => {
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

  #again(index: number): void {
    this.#options.alerts.raise({ class: 'P1', code: 'server.worker-died', fields: { index } });
    setTimeout(() => {
      if (this.#stopping) return;
      this.#fork(index).catch(() => {
        // The end was logged; the next try follows from here, since it never listened.
        if (!this.#stopping) this.#again(index);
      });
    }, restartMs);
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
