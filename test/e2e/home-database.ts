// The database of a test's home as its superuser sees it: beside a running server, or with the embedded
// PostgreSQL started for a test on a stopped home.
import pg from 'pg';
import { acquireHomeLock } from '../../src/platform/home/lock.ts';
import { socketUrl } from '../../src/platform/postgres/bootstrap.ts';
import { clusterFiles, readCredentials } from '../../src/platform/postgres/cluster.ts';
import { startEmbeddedPostgres } from '../../src/platform/postgres/embedded.ts';
import { prepareRunFolder } from '../../src/platform/postgres/run-folder.ts';

export type Rows = readonly Readonly<Record<string, unknown>>[];
export type Query = (sql: string, values?: readonly unknown[]) => Promise<Rows>;

/** Runs `work` on a connection of the superuser to the database of a server that runs. */
export async function withDatabase<T>(
  home: string,
  work: (query: Query) => Promise<T>,
): Promise<T> {
  const { superuser } = readCredentials(clusterFiles(home));
  const url = socketUrl(prepareRunFolder(home), 'postgres', superuser, 'postseal');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(async (sql, values = []) => {
      const { rows } = await client.query<Record<string, unknown>>(sql, [...values]);
      return rows;
    });
  } finally {
    await client.end();
  }
}

export interface OpenedDatabase {
  stop(): Promise<void>;
}

/** Starts the embedded PostgreSQL of a stopped home; this process holds the home's lock meanwhile. */
export async function openHomeDatabase(home: string): Promise<OpenedDatabase> {
  const lock = acquireHomeLock(home);
  const embedded = await startEmbeddedPostgres({ home });
  return {
    async stop() {
      await embedded.stop();
      lock.release();
    },
  };
}
