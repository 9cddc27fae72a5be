// The database of a home: its lock, the embedded PostgreSQL or the one of DATABASE_URL, and the schema
// of this version.
import { migrations } from '../../migrations/index.ts';
import { refuseUnfinished } from '../operate/backup/restore-place.ts';
import type { AlertBus } from '../platform/alerts/alert-bus.ts';
import { reportEmbeddedEvents } from '../platform/alerts/embedded-alerts.ts';
import type { Config } from '../platform/config/config.ts';
import { acquireHomeLock } from '../platform/home/lock.ts';
import type { Log } from '../platform/log/log.ts';
import { archiveSettings } from '../platform/postgres/archiving.ts';
import { migrate } from '../platform/postgres/data-source.ts';
import { socketUrl } from '../platform/postgres/bootstrap.ts';
import { clusterFiles, readCredentials } from '../platform/postgres/cluster.ts';
import { prepareRunFolder } from '../platform/postgres/run-folder.ts';
import { startEmbeddedPostgres } from '../platform/postgres/embedded.ts';

export interface HomeDatabase {
  readonly url: string;
  /** Names of the migrations that were applied now. */
  readonly applied: readonly string[];
  close(): Promise<void>;
}

/** Where the database of a running server is reached: as configured, or the embedded one's socket. */
export function runningDatabaseUrl(config: Config): string {
  const given = config.database.url?.exposeText();
  if (given !== undefined) return given;
  const { application } = readCredentials(clusterFiles(config.home));
  return socketUrl(prepareRunFolder(config.home), 'postseal', application, 'postseal');
}

/** Without a target nothing would ever empty the spool. */
function archivingOf({ home, backup }: Config): Readonly<Record<string, string>> {
  return backup.directory === undefined ? {} : archiveSettings(home);
}

/** The embedded server's superuser, for backups alone; undefined where the database is outside. */
export function superuserUrl(config: Config): string | undefined {
  if (config.database.url !== undefined) return undefined;
  const { superuser } = readCredentials(clusterFiles(config.home));
  return socketUrl(prepareRunFolder(config.home), 'postgres', superuser, 'postgres');
}

/** @throws PostsealError `home.locked`, `home.not-writable`, `database.unreachable`, `database.migration`, `restore.unfinished`. */
export async function openHomeDatabase(
  config: Config,
  log: Log,
  alerts: AlertBus,
): Promise<HomeDatabase> {
  const lock = acquireHomeLock(config.home);
  try {
    refuseUnfinished(config.home);
    const given = config.database.url?.exposeText();
    const embedded =
      given === undefined
        ? await startEmbeddedPostgres({
            home: config.home,
            settings: archivingOf(config),
            onEvent: reportEmbeddedEvents(log, alerts),
          })
        : undefined;
    const url = given ?? embedded?.url ?? '';
    try {
      const applied = await migrate(url, migrations);
      return {
        url,
        applied,
        async close() {
          await embedded?.stop();
          lock.release();
        },
      };
    } catch (error) {
      await embedded?.stop();
      throw error;
    }
  } catch (error) {
    lock.release();
    throw error;
  }
}
