// Backup keys through a child process that holds the token's login for as long as they are needed.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PostsealError } from '../../kernel/errors.ts';
import { reviveError } from '../../vault/keys/wire-error.ts';
import type { BackupKey, BackupKeys } from './backup-keys.ts';
import type { BackupKeyPlace, KeyQuestion, KeyReply } from './key-messages.ts';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

class KeyChild {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  constructor() {
    this.#child = fork(fileURLToPath(new URL('key-main.ts', import.meta.url)), [], {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message: KeyReply) => {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if ('code' in message) waiting?.reject(reviveError(message.code, message.fields));
      else waiting?.resolve(message.value);
    });
    const lost = (cause?: unknown): void => {
      const error = new PostsealError('key.unavailable', { reason: 'process' }, cause);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
    };
    this.#child.once('error', lost);
    this.#child.once('exit', () => lost());
  }

  ask(question: KeyQuestion): Promise<unknown> {
    const id = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, question }, (error) => {
        if (error !== null) reject(new PostsealError('key.unavailable', { reason: 'ipc' }, error));
      });
    });
  }

  async end(): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    if (this.#child.connected) this.#child.disconnect();
    await ended;
  }
}

/** @throws PostsealError `key.store-missing`, `key.pin`, `key.token`, `key.unavailable`. */
export async function openBackupKeys(place: BackupKeyPlace): Promise<BackupKeys> {
  const child = new KeyChild();
  try {
    await child.ask({ ask: 'place', place });
  } catch (error) {
    await child.end();
    throw error;
  }
  return {
    make: async () => (await child.ask({ ask: 'make' })) as BackupKey,
    open: async (keyId, wrap) => (await child.ask({ ask: 'open', keyId, wrap })) as Uint8Array,
    openState: async ({ keyId, generation, wrap }) =>
      (await child.ask({ ask: 'open-state', keyId, generation, wrap })) as Uint8Array,
    close: () => child.end(),
  };
}
