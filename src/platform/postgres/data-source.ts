// TypeORM's part: schema, migrations, administration. Entities and migrations are handed in, because
// they belong to rooms below this one. The schema changes by migrations only, never by synchronize.
import { DataSource } from 'typeorm';
import type { EntitySchema, Logger, MigrationInterface } from 'typeorm';
import pg from 'pg';
import { PostsealError } from '../../kernel/errors.ts';
import { mapPostgresError } from './postgres-errors.ts';

export type MigrationClass = new () => MigrationInterface;

export interface DataSourceOptions {
  readonly url: string;
  readonly entities?: readonly EntitySchema[];
  readonly migrations?: readonly MigrationClass[];
  readonly poolMax?: number;
}

/** Opens TypeORM on `url`; the caller destroys it. @throws PostsealError `database.unreachable`. */
export async function openDataSource(options: DataSourceOptions): Promise<DataSource> {
  const source = new DataSource({
    type: 'postgres',
    url: options.url,
    entities: [...(options.entities ?? [])],
    migrations: [...(options.migrations ?? [])],
    migrationsTableName: 'schema_migration',
    synchronize: false,
    migrationsRun: false,
    logger: silent,
    applicationName: 'postseal schema',
    // The query string of a socket URL (?host=/path) is understood by pg alone.
    extra: { connectionString: options.url, max: options.poolMax ?? 2 },
  });
  try {
    return await source.initialize();
  } catch (error) {
    throw mapPostgresError(error);
  }
}

/** TypeORM would print failures, statements included, to standard output; ours come as errors. */
const silent: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};

/** Any number that no other advisory lock of Postseal uses; "psl-migr" in ASCII. */
const migrationLock = '8103505129406980978';

/**
 * Runs what is pending, each migration in its own transaction, under an advisory lock, so that nodes
 * that start together wait for each other.
 * @returns the names of the migrations that ran.
 * @throws PostsealError `database.migration` with the name of the one that failed.
 */
export async function migrate(
  url: string,
  migrations: readonly MigrationClass[],
): Promise<readonly string[]> {
  return underMigrationLock(url, async () => {
    const source = await openDataSource({ url, migrations });
    try {
      const done = await source.runMigrations({ transaction: 'each' });
      return done.map(({ name }) => name);
    } catch (cause) {
      throw new PostsealError('database.migration', migrationFields(cause), cause);
    } finally {
      await source.destroy();
    }
  });
}

/** Whether `migrate` would do anything. */
export async function hasPendingMigrations(
  url: string,
  migrations: readonly MigrationClass[],
): Promise<boolean> {
  const source = await openDataSource({ url, migrations });
  try {
    return await source.showMigrations();
  } finally {
    await source.destroy();
  }
}

async function underMigrationLock<T>(url: string, run: () => Promise<T>): Promise<T> {
  const holder = new pg.Client({
    connectionString: url,
    application_name: 'postseal migration lock',
  });
  try {
    await holder.connect();
    await holder.query(`SELECT pg_advisory_lock(${migrationLock})`);
  } catch (error) {
    await holder.end().catch(() => undefined);
    throw mapPostgresError(error);
  }
  try {
    return await run();
  } finally {
    // The end of the session releases the lock.
    await holder.end();
  }
}

/** A migration holds no personal data, so here the server's own words may be shown. */
function migrationFields(cause: unknown): Record<string, string> {
  return cause instanceof Error ? { said: cause.message.slice(0, 300) } : {};
}
