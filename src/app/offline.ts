// What the command line does without a running server (src/cli/offline.ts): it opens the home's files
// and database, and none of it opens content. Beside a running server it uses the server's database.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Offline } from '../cli/offline.ts';
import { PostsealError } from '../kernel/errors.ts';
import { verifyLedger } from '../ledger/verify/verify-ledger.ts';
import { createAlertBus } from '../platform/alerts/alert-bus.ts';
import type { Config } from '../platform/config/config.ts';
import { homeLockHolder } from '../platform/home/lock.ts';
import { createLogger } from '../platform/log/create-logger.ts';
import { type Database, openDatabase } from '../platform/postgres/database.ts';
import { openHomeDatabase, runningDatabaseUrl } from './home-database.ts';
import { systemClock } from './services.ts';
import { versions } from './version.ts';

interface AboutDatabase {
  readonly url: string;
  /** Names of the migrations that were applied now. */
  readonly applied: readonly string[];
  /** Whether a server of this home runs. */
  readonly running: boolean;
}

/** Runs `work` on the home's database: the running server's, or one started for this moment. */
async function withDatabase<T>(
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

function readPublicKey(config: Config): Buffer {
  try {
    return readFileSync(join(config.home, 'ledger', 'public-key.der'));
  } catch (error) {
    throw new PostsealError(
      'integrity.ledger',
      { place: 'ledger/public-key.der', what: 'missing' },
      error,
    );
  }
}

export function createOffline(options: { readonly config: () => Config }): Offline {
  const { config } = options;
  return {
    home: () => config().home,
    serve: async () => (await import('./serve.ts')).serve(config()),
    demo: async () => (await import('./demo.ts')).demo(),
    version: () => Promise.resolve(versions()),
    effectiveConfig: () => Promise.resolve(JSON.parse(JSON.stringify(config())) as unknown),
    migrate: () => withDatabase(config(), (_database, { applied }) => Promise.resolve({ applied })),
    verifyLedger: (onProgress) =>
      withDatabase(config(), async (database, { running }) => {
        const report = await verifyLedger({
          database: database.pool,
          dir: join(config().home, 'ledger'),
          publicKey: readPublicKey(config()),
          ...(running ? {} : { settleMs: 0 }),
          onProgress,
        });
        const findings = report.findings.map(({ place, what }) => ({ place, text: what }));
        const { origin, size, root } = report;
        return { origin, size, root, findings };
      }),
    scrub: async (onProgress) =>
      (await import('./scrub.ts')).scrubHome(config(), withDatabase, onProgress),
    doctor: async () => (await import('./doctor.ts')).examine(config()),
  };
}

export type WithDatabase = typeof withDatabase;
