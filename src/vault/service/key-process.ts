// Keeps the key service running as a child of the primary: starts it, starts it again when it dies, and
// tells what troubles it. Clients notice nothing but a wait.
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PostsealError, type ErrorFields } from '../../kernel/errors.ts';
import { reviveError } from '../keys/wire-error.ts';
import type { FromKeyProcess, KeyProcessConfig, ToKeyProcess } from './process-messages.ts';

export interface KeyProcessOptions {
  readonly config: KeyProcessConfig;
  /** Token, database or ledger trouble inside the service: log it, and raise what is grave. */
  readonly onTrouble: (code: string, fields: ErrorFields) => void;
  /** It ended by itself and starts again. */
  readonly onDeath: (exit: {
    readonly code: number | null;
    readonly signal: string | null;
  }) => void;
}

export interface KeyProcess {
  readonly pid: number | undefined;
  /** Of the listener for other machines; the same after a restart unless 0 was configured. */
  readonly port: number | undefined;
  /** Ends the service, which first writes what it owes the ledger. */
  close(): Promise<void>;
}

const retryFirstMs = 100;
const retryMaxMs = 5_000;
const stopMsMax = 10_000;

/** Resolves when it serves. @throws PostsealError with the code of a first start that failed. */
export async function startKeyProcess(options: KeyProcessOptions): Promise<KeyProcess> {
  let child: ChildProcess | undefined;
  let port: number | undefined;
  let retryMs = retryFirstMs;
  let retry: NodeJS.Timeout | undefined;
  let closing = false;

  const run = async (): Promise<void> => {
    const ready = await startChild(options);
    const started = ready.child;
    child = started;
    port = ready.port;
    retryMs = retryFirstMs;
    const died = (code: number | null, signal: string | null): void => {
      if (closing) return;
      options.onDeath({ code, signal });
      again();
    };
    if (started.exitCode !== null || started.signalCode !== null) {
      died(started.exitCode, started.signalCode);
    } else started.once('exit', died);
  };
  const again = (): void => {
    retry = setTimeout(() => {
      run().catch((error: unknown) => {
        const { code, fields } =
          error instanceof PostsealError ? error : new PostsealError('internal', {}, error);
        options.onTrouble(code, fields);
        if (!closing) again();
      });
    }, retryMs);
    retryMs = Math.min(retryMs * 2, retryMaxMs);
  };

  await run();
  return {
    get pid() {
      return child?.pid;
    },
    get port() {
      return port;
    },
    close: async () => {
      closing = true;
      clearTimeout(retry);
      if (child !== undefined) await stopChild(child);
    },
  };
}

function startChild(
  options: KeyProcessOptions,
): Promise<{ readonly child: ChildProcess; readonly port: number | undefined }> {
  const child = fork(fileURLToPath(new URL('main.ts', import.meta.url)), [], {
    execArgv: [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      reject(error instanceof Error ? error : new PostsealError('internal'));
    };
    child.once('error', fail);
    child.once('exit', (code, signal) => {
      fail(new PostsealError('key.unavailable', { exit: code ?? signal ?? 'unknown' }));
    });
    child.on('message', (message: FromKeyProcess) => {
      if (message.kind === 'ready') resolve({ child, port: message.port });
      else if (message.kind === 'failed') fail(reviveError(message.code, message.fields));
      else options.onTrouble(message.code, message.fields);
    });
    child.send({ kind: 'start', config: options.config } satisfies ToKeyProcess, (error) => {
      if (error !== null) fail(new PostsealError('key.unavailable', { reason: 'ipc' }, error));
    });
  });
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  if (child.connected) child.send({ kind: 'stop' } satisfies ToKeyProcess);
  else child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
  await ended;
  clearTimeout(timer);
}
