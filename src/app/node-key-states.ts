// The key-state line of a node, beside its backups; undefined where no folder for them is configured.
import { type KeyStates, openKeyStates } from '../operate/backup/key-states.ts';
import type { Backups } from '../operate/backup/backups.ts';
import type { AlertBus } from '../platform/alerts/alert-bus.ts';
import type { Config } from '../platform/config/config.ts';
import type { Log } from '../platform/log/log.ts';
import { superuserUrl } from './home-database.ts';
import type { Services } from './services.ts';

export function openNodeKeyStates(deps: {
  readonly config: Config;
  readonly services: Pick<Services, 'committer' | 'database' | 'gate' | 'keys' | 'organisation'>;
  readonly backups: Backups | undefined;
  readonly log: Log;
  readonly alerts: AlertBus;
}): KeyStates | undefined {
  const { config, services, backups, log, alerts } = deps;
  const { directory: target, keyStateSeconds } = config.backup;
  if (target === undefined || backups === undefined) return undefined;
  const { committer, database, keys, organisation } = services;
  return openKeyStates({
    ...{ target, everySeconds: keyStateSeconds, organisation, database, keys, committer },
    knowsDataBackups: superuserUrl(config) !== undefined,
    shipData: () => backups.ship(),
    mayWrite: () => services.gate.isOpen(),
    now: () => new Date(),
    ...{ log, alerts },
  });
}
