// `postseal serve`: starts the primary, prints the ready line, waits for Ctrl-C or SIGTERM, stops cleanly.
import { reportError } from '../cli/command-line.ts';
import { exitCode } from '../kernel/errors.ts';
import type { Config } from '../platform/config/config.ts';
import { forbidCoreDumps } from './core-dumps.ts';
import { refuseSoftwareKeys } from './key-child.ts';
import { type Primary, startPrimary } from './primary.ts';
import { startKeyServer } from './serve-keys.ts';
import { createStopSignals } from './stop-signals.ts';

interface Told {
  readonly stop: Promise<void>;
  isTold(): boolean;
}

/** Listens for signals from now on. One too many ends the process as it is; the next start recovers. */
function listen(): Told {
  const signals = createStopSignals();
  let isTold = false;
  let tell: () => void = () => undefined;
  const stop = new Promise<void>((resolve) => (tell = resolve));
  const hear = (): void => {
    const wish = signals.heard(performance.now());
    if (wish === 'force') {
      process.stderr.write('postseal: stopped at once; the next start recovers\n');
      process.exit(exitCode.failure);
    }
    if (wish === 'stop') process.stderr.write('postseal: stopping\n');
    isTold = true;
    tell();
  };
  process.on('SIGINT', hear);
  process.on('SIGTERM', hear);
  return { stop, isTold: () => isTold };
}

/** Resolves with the exit code when the server has been told to stop and has stopped. */
export function serve(config: Config): Promise<number> {
  forbidCoreDumps();
  refuseSoftwareKeys(config);
  return serveUntilTold(() => startPrimary(config));
}

/** The same for a key service alone. */
export function serveKeys(config: Config): Promise<number> {
  forbidCoreDumps();
  return serveUntilTold(() => startKeyServer(config));
}

async function serveUntilTold(start: () => Promise<Primary>): Promise<number> {
  // Taken before anything starts, so that a signal during the start is not lost.
  const told = listen();
  const started = await start().catch((error: unknown) => {
    // Ctrl-C reaches the workers too, and one that dies young fails the start: that is the stop.
    if (told.isTold()) return undefined;
    throw error;
  });
  if (started === undefined) return exitCode.done;
  if (!told.isTold()) process.stdout.write(`${started.readyLine}\n`);
  await told.stop;
  return stopped(started);
}

/** Whatever a part that was left behind still holds open must not keep this process alive. */
async function stopped(primary: Pick<Primary, 'stop'>): Promise<number> {
  try {
    await primary.stop();
    return exitCode.done;
  } catch (error) {
    process.exit(reportError(error));
  }
}
