// The signer process as its parent sees it: a CheckpointSigner over IPC that is started again when it
// dies, and ended when it does not answer. While it is away, `key.unavailable` (retryable): the ledger grows
// on, checkpoints wait.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  type ErrorCode,
  errorRegistry,
  type ErrorFields,
  IntegrityError,
  PostsealError,
} from '../../kernel/errors.ts';
import type { AlertSink, CheckpointSigner } from './signer.ts';
import type { FromSigner, SignerProcessConfig, ToSigner } from './signer-messages.ts';

export interface SignerProcess extends CheckpointSigner {
  /** Of the process that runs now, for tests and `doctor`. */
  readonly pid: number | undefined;
  /** The end is near: a process that dies from now on is not started again. */
  lastCall(): void;
}

export interface SignerProcessDeps {
  readonly config: SignerProcessConfig;
  readonly alerts?: AlertSink;
  /** After this time without a signature the process is ended, in milliseconds. */
  readonly answerMsMax?: number;
}

/** A signature takes milliseconds; the token's own time limit, which says more, comes first. */
const answerMsDefault = 12_000;
/** For Node, the token's login and the signer's own check. */
const readyMsMax = 60_000;
/** A token that hangs must not hold up the end. */
const stopMsMax = 5_000;

interface Running {
  readonly child: ChildProcess;
  readonly ready: Promise<{ readonly spki: Buffer; size: number; root: Buffer }>;
  readonly asked: Map<number, { resolve: (note: string) => void; reject: (error: Error) => void }>;
}

/** Starts the process and waits until it can sign. Throws what its start failed with. */
export async function startSignerProcess(deps: SignerProcessDeps): Promise<SignerProcess> {
  let running = launch(deps);
  let ending = false;
  let nextId = 1;
  const current = (): Running => {
    if (!ending && !isAlive(running.child)) running = launch(deps);
    return running;
  };
  await running.ready;
  return {
    get pid() {
      return running.child.pid;
    },
    head: () => current().ready,
    async sign({ size, root }) {
      const now = current();
      const head = await now.ready;
      const id = nextId;
      nextId += 1;
      const ask = { kind: 'sign', id, size, root: Buffer.from(root).toString('base64') } as const;
      const note = await answered(now, ask, deps.answerMsMax ?? answerMsDefault);
      head.size = size;
      head.root = Buffer.from(root);
      return note;
    },
    lastCall() {
      ending = true;
    },
    async close() {
      ending = true;
      const { child } = running;
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      tell(child, { kind: 'stop' });
      const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
      await gone;
      clearTimeout(timer);
    },
  };
}

/** The note, or `key.unavailable` when the process ends first or does not answer, which ends it. */
async function answered(
  { child, asked }: Running,
  ask: Extract<ToSigner, { kind: 'sign' }>,
  answerMsMax: number,
): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const note = new Promise<string>((resolve, reject) => {
    if (!isAlive(child)) {
      reject(new PostsealError('key.unavailable', { what: 'signer' }));
      return;
    }
    timer = setTimeout(() => {
      reject(new PostsealError('key.unavailable', { what: 'signer', reason: 'timeout' }));
      // What it may still sign has been remembered before: killing it loses nothing.
      child.kill('SIGKILL');
    }, answerMsMax);
    asked.set(ask.id, { resolve, reject });
    tell(child, ask);
  });
  try {
    return await note;
  } finally {
    clearTimeout(timer);
    asked.delete(ask.id);
  }
}

function launch(deps: SignerProcessDeps): Running {
  const child = fork(fileURLToPath(new URL('main.ts', import.meta.url)), [], {
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const asked: Running['asked'] = new Map();
  const ready = new Promise<Awaited<Running['ready']>>((resolve, reject) => {
    child.on('message', (message: FromSigner) => hear(message, { deps, asked, resolve, reject }));
    child.once('exit', (code, signal) => {
      const gone = new PostsealError('key.unavailable', {
        what: 'signer',
        code: code ?? -1,
        signal: signal ?? '',
      });
      reject(gone);
      for (const waiter of asked.values()) waiter.reject(gone);
      asked.clear();
    });
  });
  const late = setTimeout(() => child.kill('SIGKILL'), readyMsMax);
  // Whoever asks gets the failure; without a listener of its own it would end the process.
  ready.catch(() => undefined).finally(() => clearTimeout(late));
  tell(child, { kind: 'start', config: deps.config });
  return { child, ready, asked };
}

interface Ear {
  readonly deps: SignerProcessDeps;
  readonly asked: Running['asked'];
  readonly resolve: (head: Awaited<Running['ready']>) => void;
  readonly reject: (error: Error) => void;
}

const ears: {
  readonly [K in FromSigner['kind']]: (message: Extract<FromSigner, { kind: K }>, ear: Ear) => void;
} = {
  ready: ({ spki, size, root }, ear) =>
    ear.resolve({ spki: Buffer.from(spki, 'base64'), size, root: Buffer.from(root, 'base64') }),
  failed: ({ code, fields }, ear) => ear.reject(revive(code, fields)),
  alert: ({ code, fields }, ear) => ear.deps.alerts?.raise({ code, fields }),
  signed: ({ id, note }, ear) => {
    ear.asked.get(id)?.resolve(note);
  },
  refused: ({ id, code, fields }, ear) => {
    ear.asked.get(id)?.reject(revive(code, fields));
  },
};

function hear(message: FromSigner, ear: Ear): void {
  const act = ears[message.kind] as (message: FromSigner, ear: Ear) => void;
  act(message, ear);
}

function isAlive(child: ChildProcess): boolean {
  // One that was killed is gone, though its end is still to be heard.
  return child.exitCode === null && child.signalCode === null && child.connected && !child.killed;
}

/** A message to a process that has just died is lost, and its `exit` answers for it. */
function tell(child: ChildProcess, message: ToSigner): void {
  if (child.connected) child.send(message, () => undefined);
}

function revive(code: string, fields: ErrorFields): PostsealError {
  if (!Object.hasOwn(errorRegistry, code))
    return new PostsealError('internal', { ...fields, code });
  if (code.startsWith('integrity.')) {
    return new IntegrityError(code as Extract<ErrorCode, `integrity.${string}`>, fields);
  }
  return new PostsealError(code as ErrorCode, fields);
}
