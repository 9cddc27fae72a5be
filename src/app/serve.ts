// `postseal serve`: starts the primary, prints the ready line, waits for Ctrl-C or SIGTERM, stops cleanly.
import { exitCode, PostsealError } from '../kernel/errors.ts';
import type { Config } from '../platform/config/config.ts';
import { startPrimary } from './primary.ts';

/** Resolves with the exit code when the server has been told to stop and has stopped. */
export async function serve(config: Config): Promise<number> {
  if (config.production && config.keys.store === 'keyfile') {
    throw new PostsealError('config.invalid', { '/keys/store': 'must be pkcs11 in production' });
  }
  // Taken before anything starts, so that a signal during the start is not lost.
  let stop: () => void = () => undefined;
  const told = new Promise<void>((resolve) => (stop = resolve));
  process.on('SIGINT', () => stop());
  process.on('SIGTERM', () => stop());
  const primary = await startPrimary(config);
  process.stdout.write(`${primary.readyLine}\n`);
  await told;
  process.stderr.write('postseal: stopping\n');
  await primary.stop();
  return exitCode.done;
}
