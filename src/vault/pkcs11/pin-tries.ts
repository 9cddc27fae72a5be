// Our own limit of PIN tries. A real HSM locks its PIN after a few wrong ones, and a service that is
// restarted in a loop with a wrong PIN would get there; SoftHSM never locks (softhsm/SoftHSMv2). The
// count outlives the process in `keys/pin-tries.json`.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';
import { writeSealedFile } from '../keyfile/write-file.ts';

/** Waiting time after the first, the second, and every further wrong try in a row. */
const waitMs = [10_000, 60_000] as const;
const waitMsAfter = 15 * 60_000;

export interface PinTries {
  /** @throws PostsealError `key.pin` while the waiting time after a wrong try runs. */
  check(): void;
  failed(): Promise<void>;
  succeeded(): Promise<void>;
}

interface State {
  readonly failures: number;
  readonly notBefore: number;
}

/** `now` returns Unix milliseconds; wall time, because the count must survive a restart. */
export function createPinTries(folder: string, now: () => number): PinTries {
  const path = join(folder, 'pin-tries.json');
  let state = read(path);
  const write = async (next: State): Promise<void> => {
    state = next;
    await writeSealedFile(path, `${JSON.stringify(next)}\n`);
  };
  return {
    check: () => {
      // A clock that was set back must not make the waiting time longer than it ever is.
      const wait = Math.min(state.notBefore - now(), waitMsAfter);
      if (state.failures > 0 && wait > 0) {
        throw new PostsealError('key.pin', {
          reason: 'waiting',
          failures: state.failures,
          waitSeconds: Math.ceil(wait / 1_000),
        });
      }
    },
    failed: () => {
      const wait = waitMs[state.failures] ?? waitMsAfter;
      return write({ failures: state.failures + 1, notBefore: now() + wait });
    },
    succeeded: async () => {
      if (state.failures > 0) await write({ failures: 0, notBefore: 0 });
    },
  };
}

function read(path: string): State {
  if (!existsSync(path)) return { failures: 0, notBefore: 0 };
  try {
    const { failures, notBefore } = JSON.parse(readFileSync(path, 'utf8')) as Partial<State>;
    if (Number.isSafeInteger(failures) && Number.isFinite(notBefore)) {
      return { failures: failures ?? 0, notBefore: notBefore ?? 0 };
    }
  } catch {
    // Falls through: a file that cannot be read counts as one wrong try whose wait is over.
  }
  return { failures: 1, notBefore: 0 };
}
