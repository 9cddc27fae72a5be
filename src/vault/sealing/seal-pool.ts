// The worker thread of a process that seals its large messages. It starts with the first one, serves all
// streams together, keeps no process alive, and is replaced if it dies.
import { Worker } from 'node:worker_threads';
import { PostsealError, assert } from '../../kernel/errors.ts';
import type { BodyStore } from '../packs/body-store.ts';
import { WorkerSealing, type BodySealing } from './body-sealing.ts';
import type { FromSealWorker } from './seal-messages.ts';

export interface SealPool {
  /**
   * Begins to seal a message of more than about a megabyte into a pack of its own. `dek` (32 bytes) and
   * `contentId` are fresh and serve this attempt only. Rejects like `BodyStore.appendStream`.
   */
  open(store: BodyStore, dek: Uint8Array, contentId: string): Promise<BodySealing>;
  /** Streams that are open fail. */
  close(): Promise<void>;
}

export function createSealPool(): SealPool {
  return new WorkerPool();
}

class WorkerPool implements SealPool {
  readonly #streams = new Map<number, WorkerSealing>();
  #worker: Worker | undefined;
  #nextId = 1;
  #closed = false;

  async open(store: BodyStore, dek: Uint8Array, contentId: string): Promise<BodySealing> {
    const stream = await store.appendStream({ objectId: contentId });
    assert(!this.#closed, 'the pool is closed');
    const worker = (this.#worker ??= this.#start());
    const id = this.#nextId++;
    const sealing = new WorkerSealing(
      id,
      {
        send: (message, transfer) => worker.postMessage(message, transfer),
        release: () => {
          this.#streams.delete(id);
          if (this.#streams.size === 0) worker.unref();
        },
      },
      stream,
    );
    this.#streams.set(id, sealing);
    worker.ref();
    worker.postMessage({ type: 'begin', id, dek, contentId });
    return sealing;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./seal-worker.ts', import.meta.url), {
      name: 'seal',
      // Garbage of the worker is buffers outside the heap; a small heap collects them early.
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 },
    });
    worker.unref();
    worker.on('message', (message: FromSealWorker) => this.#streams.get(message.id)?.take(message));
    worker.on('error', (error) => this.#lost(worker, error));
    worker.on('exit', () => this.#lost(worker, undefined));
    return worker;
  }

  /** All streams of a worker that died fail; the next message gets a new worker. */
  #lost(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const sealing of this.#streams.values()) {
      sealing.fail(new PostsealError('internal', { what: 'sealing worker ended' }, cause));
    }
  }
}
