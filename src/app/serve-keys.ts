// `postseal key serve`: the key service alone, for nodes on other machines, on the machine that has the token. It
// makes no database and no organisation: the nodes have done that, and DATABASE_URL names where.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findOrganisation } from '../archive/custodians.store.ts';
import { PostsealError } from '../kernel/errors.ts';
import { createAlertBus } from '../platform/alerts/alert-bus.ts';
import type { Config } from '../platform/config/config.ts';
import { acquireHomeLock } from '../platform/home/lock.ts';
import { createLogger } from '../platform/log/create-logger.ts';
import { openDatabase } from '../platform/postgres/database.ts';
import { refuseSoftwareKeys, startKeys } from './key-child.ts';
import { keySocketOf, nodeName } from './node-context.ts';
import { pinKeyStore } from './pin-key-store.ts';
import type { Primary } from './primary.ts';
import { systemClock } from './services.ts';

/**
 * Its ready line is `postseal ready keys=host:port`. @throws PostsealError `config.invalid` without keyService.listen or DATABASE_URL; what
 * `startKeys` throws.
 */
export async function startKeyServer(config: Config): Promise<Primary> {
  const { listen } = config.keyService;
  const databaseUrl = config.database.url?.exposeText();
  if (listen === undefined) throw missing('/keyService/listen');
  if (databaseUrl === undefined) throw missing('/database/url');
  refuseSoftwareKeys(config);
  mkdirSync(config.home, { recursive: true, mode: 0o700 });
  const lock = acquireHomeLock(config.home);
  const folder = join(config.home, 'log');
  const log = createLogger({
    ...{ level: config.log.level, folder, name: 'postseal', standardError: false },
    fields: { role: 'keys' },
  });
  try {
    const alerts = createAlertBus({ log, now: () => systemClock.now() });
    const organisation = await organisationOf(databaseUrl);
    const context = {
      ...{ home: config.home, databaseUrl, organisation, node: nodeName(config.home) },
      keySocket: keySocketOf(config.home),
    };
    const keys = await startKeys(config, context, log, alerts);
    pinKeyStore(config);
    return {
      readyLine: `postseal ready keys=${listen.host}:${String(keys.port)}`,
      async stop() {
        await keys.close();
        await log.close();
        lock.release();
      },
    };
  } catch (error) {
    await log.close();
    lock.release();
    throw error;
  }
}

function missing(at: string): PostsealError {
  return new PostsealError('config.invalid', { [at]: 'is needed for a key service alone' });
}

async function organisationOf(url: string) {
  const database = await openDatabase({ url, poolMax: 1, name: 'postseal start' });
  try {
    const found = await findOrganisation(database);
    if (found === undefined) throw new PostsealError('database.migration', { reason: 'empty' });
    return found;
  } finally {
    await database.close();
  }
}
