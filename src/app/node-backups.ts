// The backups of a node, with what they need of its home; undefined where no folder for them is configured.
import { join } from 'node:path';
import { type Backups, openBackups } from '../operate/backup/backups.ts';
import { openBackupKeys } from '../operate/backup/key-process.ts';
import type { AlertBus } from '../platform/alerts/alert-bus.ts';
import type { Config } from '../platform/config/config.ts';
import type { Log } from '../platform/log/log.ts';
import { walSpool } from '../platform/postgres/archiving.ts';
import { clusterFiles } from '../platform/postgres/cluster.ts';
import { liveGeneration } from '../vault/keys/generation-list.store.ts';
import { superuserUrl } from './home-database.ts';
import { keyStoreChoice } from './key-child.ts';
import type { NodeContext } from './node-context.ts';
import type { Services } from './services.ts';
import { productVersion } from './version.ts';

export async function openNodeBackups(deps: {
  readonly config: Config;
  readonly context: NodeContext;
  readonly services: Pick<Services, 'committer' | 'database'>;
  readonly log: Log;
  readonly alerts: AlertBus;
}): Promise<Backups | undefined> {
  const { config, context, services, log, alerts } = deps;
  const { directory, shipSeconds } = config.backup;
  if (directory === undefined) return undefined;
  const { home, organisation, node } = context;
  const superuser = superuserUrl(config);
  return openBackups({
    ...{ home, target: directory, shipSeconds, organisation, node, version: productVersion },
    embedded:
      superuser === undefined
        ? undefined
        : { superuserUrl: superuser, data: clusterFiles(home).data, spool: walSpool(home) },
    committer: services.committer,
    keyGeneration: () => liveGeneration(services.database.pool, organisation),
    openKeys: (first) =>
      openBackupKeys({
        ...{ organisation, first, folder: join(home, 'keys') },
        store: keyStoreChoice(config),
      }),
    now: () => new Date(),
    ...{ log, alerts },
  });
}
