// The key store on a token as a process uses it: a thread of its own does the work (token-thread.ts), so
// that a device which is slow, away or hangs inside a call holds up nothing but its own callers.
import { performance } from 'node:perf_hooks';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { assert, PostsealError } from '../../kernel/errors.ts';
import type {
  EcdsaKey,
  KekRef,
  KeyStore,
  StoredKey,
  StoreHealth,
  TokenClass,
} from '../keys/key-store.ts';
import { reviveError } from '../keys/wire-error.ts';
import type { Pkcs11StoreOptions } from './pkcs11-store.ts';
import type {
  FromThread,
  ThreadCause,
  ThreadOperation,
  ThreadOperations,
  ThreadOptions,
  ToThread,
} from './thread-messages.ts';

/** PIN tries are counted by the wall clock of the thread. */
export type ThreadedStoreOptions = Omit<Pkcs11StoreOptions, 'now'>;

const callMsDefault = 10_000;
/** In call time-outs. The thread's own time-out comes first and knows more. */
const callTimeouts = 1.5;
/** Whoever asks through the key service waits for one call time-out, and shall get an answer. */
const healthTimeouts = 0.8;
/** The first connection may have to make a token and its PINs. */
const openTimeouts = 6;
/**
 * A thread that is inside the module for so long is given up, and with it the process and its caches: longer
 * than a connection takes to fail, since what is cached still serves while it does.
 */
const silentTimeouts = 12;

/** Connects to the token in a new thread. @throws like `openPkcs11Store`. */
export async function openThreadedStore(options: ThreadedStoreOptions): Promise<KeyStore> {
  const store = new ThreadedStore(options);
  try {
    await store.open();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

interface Waiting {
  readonly resolve: (gives: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

class ThreadedStore implements KeyStore {
  readonly kind = 'pkcs11';
  readonly #options: ThreadedStoreOptions;
  readonly #callMs: number;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #tokenClass: TokenClass;
  #health: StoreHealth;
  #nextId = 1;
  #heardAt = performance.now();
  #silent: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: ThreadedStoreOptions) {
    this.#options = options;
    this.#callMs = options.callTimeoutMs ?? callMsDefault;
    this.#tokenClass = options.profile.tokenClass;
    const { name: profile } = options.profile;
    this.#health = { available: false, token: options.label, profile, mechanism: '' };
    this.#worker = new Worker(new URL('./token-thread.ts', import.meta.url), {
      name: 'token',
      // A module reads its configuration from the environment of the process.
      env: SHARE_ENV,
    });
    this.#worker.unref();
    this.#worker.on('message', (message: FromThread) => {
      this.#take(message);
    });
    this.#worker.on('error', (error) => {
      this.#lost(error);
    });
    this.#worker.on('exit', () => {
      this.#lost(undefined);
    });
  }

  get tokenClass(): TokenClass {
    return this.#tokenClass;
  }

  async open(): Promise<void> {
    const { pin, soPin } = this.#options;
    const options: ThreadOptions & { onHung?: undefined } = {
      ...this.#options,
      pin: pin?.exposeText(),
      soPin: soPin?.exposeText(),
      // A function cannot travel; the thread says it in a message.
      onHung: undefined,
    };
    await this.#call('open', { options }, { timeouts: openTimeouts });
  }

  ensureKek(generation: number): Promise<KekRef> {
    return this.#call('ensureKek', { generation });
  }

  async destroyKek(kekId: string): Promise<void> {
    await this.#call('destroyKek', { kekId });
  }

  async wrap(kekId: string, aad: Uint8Array, key32: Uint8Array): Promise<Buffer> {
    assert(key32.length === 32, 'a wrapped key has 32 bytes');
    const key = Uint8Array.from(key32);
    const takes = { kekId, aad: Uint8Array.from(aad), key };
    return buffer(await this.#call('wrap', takes, { moved: [key.buffer] }));
  }

  async unwrap(kekId: string, aad: Uint8Array, blob: Uint8Array): Promise<Buffer> {
    const takes = { kekId, aad: Uint8Array.from(aad), blob: Uint8Array.from(blob) };
    return buffer(await this.#call('unwrap', takes));
  }

  async ensureSigningKey(label: string): Promise<EcdsaKey> {
    return this.#signingKey(label, await this.#call('ensureSigningKey', { label }));
  }

  async findSigningKey(label: string): Promise<EcdsaKey> {
    return this.#signingKey(label, await this.#call('findSigningKey', { label }));
  }

  inventory(): Promise<readonly StoredKey[]> {
    return this.#call('inventory', {});
  }

  async health(): Promise<StoreHealth> {
    try {
      this.#health = await this.#call('health', {}, { timeouts: healthTimeouts });
    } catch (error) {
      const code = error instanceof PostsealError ? error.code : 'internal';
      this.#health = { ...this.#health, available: false, code };
    }
    return this.#health;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#call('close', {});
      this.#closed = true;
      await this.#worker.terminate();
    } catch {
      // A thread that is inside the module cannot be ended; whoever ends the process ends it too.
      this.#closed = true;
    }
    clearTimeout(this.#silent);
  }

  #signingKey(label: string, spki: Uint8Array): EcdsaKey {
    return {
      label,
      spki: buffer(spki),
      sign: async (digest) => {
        assert(digest.length === 32, 'a SHA-256 digest has 32 bytes');
        return buffer(await this.#call('sign', { label, digest: Uint8Array.from(digest) }));
      },
    };
  }

  #call<K extends ThreadOperation>(
    operation: K,
    takes: ThreadOperations[K]['takes'],
    how: { readonly timeouts?: number; readonly moved?: readonly ArrayBuffer[] } = {},
  ): Promise<ThreadOperations[K]['gives']> {
    if (this.#closed) return Promise.reject(unavailable('closed'));
    // Another call would only wait behind the one that is inside the module.
    if (this.#silent !== undefined) return Promise.reject(unavailable('silent'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const ms = (how.timeouts ?? callTimeouts) * this.#callMs;
      const timer = setTimeout(() => {
        this.#end(id)?.reject(unavailable('timeout'));
        this.#ask();
      }, ms);
      this.#waiting.set(id, {
        resolve: resolve as (gives: unknown) => void,
        reject,
        timer,
      });
      this.#worker.ref();
      const message: ToThread = { id, operation, takes };
      this.#worker.postMessage(message, [...(how.moved ?? [])]);
    });
  }

  /** Asks a thread that is late whether it is inside the module; only its silence says so. */
  #ask(): void {
    if (this.#silent !== undefined || this.#closed) return;
    const since = performance.now();
    this.#silent = setTimeout(() => {
      this.#silent = undefined;
      if (this.#heardAt < since) this.#options.onHung?.();
    }, silentTimeouts * this.#callMs);
    this.#silent.unref();
    const ping: ToThread = { id: 0, operation: 'ping', takes: {} };
    this.#worker.postMessage(ping);
  }

  #take(message: FromThread): void {
    this.#heardAt = performance.now();
    clearTimeout(this.#silent);
    this.#silent = undefined;
    if (message.kind === 'hung') {
      this.#options.onHung?.();
      return;
    }
    if (message.kind === 'done') {
      this.#tokenClass = message.tokenClass ?? this.#tokenClass;
      const waiting = this.#end(message.id);
      // The caller's time was up: nobody may keep what came.
      if (waiting === undefined && message.gives instanceof Uint8Array) message.gives.fill(0);
      waiting?.resolve(message.gives);
      return;
    }
    const { id, code, fields, cause } = message;
    this.#end(id)?.reject(reviveError(code, fields, cause && revivedCause(cause)));
  }

  #end(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (this.#waiting.size === 0) this.#worker.unref();
    return waiting;
  }

  /** A thread never ends by itself; without it only another process helps. */
  #lost(cause: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const id of [...this.#waiting.keys()]) {
      this.#end(id)?.reject(new PostsealError('key.unavailable', { reason: 'thread' }, cause));
    }
    this.#options.onHung?.();
  }
}

/** So that the log tells where in the thread it was. */
function revivedCause({ name, message, stack }: ThreadCause): Error {
  return Object.assign(new Error(message), { name, stack });
}

/** The same bytes as a Buffer. */
function buffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function unavailable(reason: string): PostsealError {
  return new PostsealError('key.unavailable', { reason });
}
