// The worker thread of a process that searches large messages. It starts with the first one, keeps no
// process alive, and is replaced if it dies.
import { Worker } from 'node:worker_threads';
import { PostsealError } from '../kernel/errors.ts';
import { evaluateSearch, type SearchedMessage } from './query/index.ts';
import type { FromSearchWorker } from './search-messages.ts';
import type { SearchKey } from './wire/search-key.ts';

/** Larger messages are searched in the worker. */
export const largeBytesMin = 524_288;

interface Waiting {
  readonly resolve: (verdict: boolean) => void;
  readonly reject: (error: PostsealError) => void;
}

export class SearchPool {
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #nextId = 1;

  /** Whether `key` finds the message; everything of it must be known. Its `body` is handed over. */
  evaluate(key: SearchKey, message: SearchedMessage): Promise<boolean> {
    const { metadata, body } = message;
    if (metadata === undefined || body === undefined) {
      return Promise.reject(new PostsealError('internal', { what: 'search without a body' }));
    }
    const worker = (this.#worker ??= this.#start());
    const id = this.#nextId;
    this.#nextId += 1;
    const { headerLines, structure } = metadata;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage({
        id,
        key: decideKnown(key, message),
        metadata: { headerLines, structure },
        body,
      });
    });
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(new URL('./search-worker.ts', import.meta.url), { name: 'search' });
    worker.on('message', (answer: FromSearchWorker) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (this.#waiting.size === 0) worker.unref();
      if ('verdict' in answer) waiting?.resolve(answer.verdict);
      else waiting?.reject(new PostsealError('internal', { what: answer.fault }));
    });
    worker.on('error', (error) => this.#lost(worker, error));
    worker.on('exit', () => this.#lost(worker, undefined));
    return worker;
  }

  #lost(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    for (const { reject } of this.#waiting.values()) {
      reject(new PostsealError('internal', { what: 'search worker ended' }, cause));
    }
    this.#waiting.clear();
  }
}

const nothing: SearchKey = { kind: 'not', key: { kind: 'all' } };

/** The key with every part that needs no text replaced by its answer. */
export function decideKnown(key: SearchKey, message: SearchedMessage): SearchKey {
  if (key.kind === 'and')
    return { kind: 'and', keys: key.keys.map((k) => decideKnown(k, message)) };
  if (key.kind === 'not') return { kind: 'not', key: decideKnown(key.key, message) };
  if (key.kind === 'or') {
    const [left, right] = [decideKnown(key.left, message), decideKnown(key.right, message)];
    return { kind: 'or', left, right };
  }
  if (['header', 'body', 'text', 'sentdate'].includes(key.kind)) return key;
  return evaluateSearch(key, message) === true ? { kind: 'all' } : nothing;
}
