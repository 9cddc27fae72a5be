// The thread that owns the token. PKCS #11 calls that begin an operation, log in, open a session or look for
// a key have no asynchronous form; a device on a network may keep each of them for as long as a connection
// takes to fail. Here they hold up this thread, and no event loop that has anything else to do.
import { parentPort } from 'node:worker_threads';
import { assert, PostsealError } from '../../kernel/errors.ts';
import { Secret } from '../../kernel/secret.ts';
import type { EcdsaKey, KeyStore } from '../keys/key-store.ts';
import { openPkcs11Store } from './pkcs11-store.ts';
import type {
  FromThread,
  ThreadCause,
  ThreadOperation,
  ThreadOperations,
  ThreadOptions,
  ToThread,
} from './thread-messages.ts';

const port = parentPort;
assert(port !== null, 'token-thread.ts runs as a worker thread');

let store: KeyStore | undefined;
const signingKeys = new Map<string, EcdsaKey>();

type Handlers = {
  readonly [K in ThreadOperation]: (
    takes: ThreadOperations[K]['takes'],
  ) => Promise<ThreadOperations[K]['gives']>;
};

const handlers: Handlers = {
  open: async ({ options }) => {
    store = await openPkcs11Store(storeOptions(options));
    return undefined;
  },
  ensureKek: ({ generation }) => opened().ensureKek(generation),
  destroyKek: async ({ kekId }) => {
    await opened().destroyKek(kekId);
    return undefined;
  },
  wrap: async ({ kekId, aad, key }) => {
    try {
      return await opened().wrap(kekId, aad, key);
    } finally {
      key.fill(0);
    }
  },
  unwrap: ({ kekId, aad, blob }) => opened().unwrap(kekId, aad, blob),
  ensureSigningKey: async ({ label }) => remembered(await opened().ensureSigningKey(label)),
  findSigningKey: async ({ label }) => remembered(await opened().findSigningKey(label)),
  sign: async ({ label, digest }) => {
    const key = signingKeys.get(label) ?? (await opened().findSigningKey(label));
    return key.sign(digest);
  },
  inventory: () => opened().inventory(),
  health: () => opened().health(),
  ping: () => Promise.resolve(undefined),
  close: async () => {
    await store?.close();
    return undefined;
  },
};

function storeOptions(options: ThreadOptions): Parameters<typeof openPkcs11Store>[0] {
  const secret = (text: string | undefined): Secret | undefined =>
    text === undefined ? undefined : Secret.fromText(text);
  return {
    ...options,
    pin: secret(options.pin),
    soPin: secret(options.soPin),
    onHung: () => {
      answer({ kind: 'hung' });
    },
    now: () => Date.now(),
  };
}

function opened(): KeyStore {
  if (store === undefined) throw new PostsealError('key.unavailable', { reason: 'closed' });
  return store;
}

function remembered(key: EcdsaKey): Uint8Array {
  signingKeys.set(key.label, key);
  return key.spki;
}

port.on('message', ({ id, operation, takes }: ToThread) => {
  const handle = handlers[operation] as (takes: ToThread['takes']) => Promise<unknown>;
  // Within an asynchronous function: what throws at once is answered like what rejects.
  void (async () => {
    try {
      done(id, await handle(takes));
    } catch (error) {
      failed(id, error);
    }
  })();
});

/** Bytes go in a buffer of their own, which is moved, so that no key stays behind in this thread. */
function done(id: number, value: unknown): void {
  const tokenClass = store?.tokenClass;
  if (!(value instanceof Uint8Array)) {
    answer({ kind: 'done', id, gives: value as undefined, tokenClass });
    return;
  }
  const moved = Uint8Array.from(value);
  value.fill(0);
  answer({ kind: 'done', id, gives: moved, tokenClass }, [moved.buffer]);
}

function failed(id: number, error: unknown): void {
  const known = error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
  const { code, fields, cause } = known;
  answer({ kind: 'failed', id, code, fields, cause: causeOf(cause) });
}

function causeOf(cause: unknown): ThreadCause | undefined {
  if (!(cause instanceof Error)) return undefined;
  const { name, message, stack = '' } = cause;
  return { name, message, stack };
}

function answer(message: FromThread, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}
