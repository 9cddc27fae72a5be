// `postseal doctor`: opens what can be opened and runs every check on it.
import { PostsealError } from '../kernel/errors.ts';
import { examineHome } from '../operate/doctor/index.ts';
import type { DoctorAnswer } from '../operate/doctor/doctor-check.ts';
import type { Config } from '../platform/config/config.ts';
import { homeLockHolder } from '../platform/home/lock.ts';
import { type Database, openDatabase } from '../platform/postgres/database.ts';
import { createKeyClient } from '../vault/keys/client.ts';
import type { KeyStatus } from '../vault/keys/types.ts';
import { runningDatabaseUrl } from './home-database.ts';
import { keySocketOf, remoteKeysOf } from './node-context.ts';
import { systemClock } from './services.ts';

const keyAnswerMsMax = 2_000;

/** The database of a running server or of DATABASE_URL; a stopped embedded one is not started for this. */
async function tryDatabase(config: Config, running: boolean): Promise<Database | string> {
  if (!running && config.database.url === undefined) return 'the embedded server is not running';
  try {
    return await openDatabase({
      url: runningDatabaseUrl(config),
      poolMax: 1,
      name: 'postseal doctor',
    });
  } catch (error) {
    return error instanceof PostsealError ? error.message : 'it cannot be reached';
  }
}

/** What the key service says of itself, or the code of why it does not answer soon; undefined where none runs. */
async function tryKeys(config: Config, running: boolean): Promise<KeyStatus | string | undefined> {
  if (!running) return undefined;
  const keys = createKeyClient({
    socketPath: keySocketOf(config.home),
    remote: remoteKeysOf(config),
    timeoutMs: keyAnswerMsMax,
  });
  try {
    return await keys.status();
  } catch (error) {
    return error instanceof PostsealError ? error.code : 'internal';
  } finally {
    await keys.close();
  }
}

export async function examine(
  config: Config,
): Promise<readonly (DoctorAnswer & { readonly name: string })[]> {
  const running = homeLockHolder(config.home) !== undefined;
  const found = await tryDatabase(config, running);
  const database = typeof found === 'string' ? undefined : found;
  const keys = await tryKeys(config, running);
  const databaseProblem = typeof found === 'string' ? found : undefined;
  try {
    return await examineHome({
      config,
      database,
      databaseProblem,
      running,
      keys: typeof keys === 'string' ? undefined : keys,
      keyProblem: typeof keys === 'string' ? keys : undefined,
      now: systemClock.now(),
    });
  } finally {
    await database?.close();
  }
}
