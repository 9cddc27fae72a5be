// The database of a home for the length of one command: the running server's, or one started for it.
import { createAlertBus } from '../platform/alerts/alert-bus.ts';
import type { Config } from '../platform/config/config.ts';
import { homeLockHolder } from '../platform/home/lock.ts';
import { createLogger } from '../platform/log/create-logger.ts';
import { type Database, openDatabase } from '../platform/postgres/database.ts';
import { openHomeDatabase, runningDatabaseUrl } from './home-database.ts';
import { systemClock } from './services.ts';

export interface AboutDatabase {
  readonly url: string;
  /** Names of the migrations that were applied now. */
  readonly applied: readonly string[];
  /** Whether a server of this home runs. */
  readonly running: boolean;
}

/** Runs `work` on the home's database: the running server's, or one started for this moment. */
export async function withDatabase<T>(
  config: Config,
  work: (database: Database, about: AboutDatabase) => Promise<T>,
): Promise<T> {
  const running = homeLockHolder(config.home) !== undefined;
  const log = createLogger({ level: 'error', standardError: true });
  const alerts = createAlertBus({ log, now: () => systemClock.now() });
  const home = running ? undefined : await openHomeDatabase(config, log, alerts);
  try {
    const url = home?.url ?? runningDatabaseUrl(config);
    const database = await openDatabase({ url, poolMax: 2, name: 'postseal command' });
    try {
      return await work(database, { url, applied: home?.applied ?? [], running });
    } finally {
      await database.close();
    }
  } finally {
    await home?.close();
    await log.close();
  }
}

export type WithDatabase = typeof withDatabase;
