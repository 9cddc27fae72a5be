// The one way of a room to PostgreSQL: a small pool for reads and administration, dedicated
// connections by name for writers and listeners, and a transaction that knows whether it committed.
// Each worker process: one write connection (`connect('committer')`) and a pool of two (architecture §8).
import pg from 'pg';
import { PostsealError } from '../../kernel/errors.ts';
import { mapPostgresError } from './postgres-errors.ts';

export interface Database {
  /** Reads and administration. Return every client; never keep one over a wait for a person. */
  readonly pool: pg.Pool;
  /**
   * Opens a connection of its own; the caller ends it. `name` shows in pg_stat_activity. With
   * `pipeline` queries are sent without waiting for the answers of those before.
   */
  connect(name: string, options?: { readonly pipeline?: boolean }): Promise<pg.Client>;
  /**
   * Runs `run` between BEGIN and COMMIT on a pooled connection.
   * @throws PostsealError `store.aborted` when COMMIT was answered by ROLLBACK; everything that `run`
   * throws, mapped by `mapPostgresError`, after a rollback.
   */
  transaction<T>(run: (client: pg.ClientBase) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export interface DatabaseOptions {
  readonly url: string;
  /** Connections in the pool: 2 in a worker, more in the primary. */
  readonly poolMax: number;
  /** Prefix of application_name, such as `postseal worker 2`. */
  readonly name?: string;
  /** Idle pooled connections report their end here; they are replaced at the next use. */
  readonly onConnectionLost?: (error: PostsealError) => void;
}

const connectTimeoutMs = 10_000;
/**
 * Every statement of ours finds its rows by key. A plan is made once a connection, not anew for 32
 * partitions at each call, and never while tables are still empty in favour of reading them whole.
 */
const sessionSettings = '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off';

/** Opens the pool and proves that the server answers. @throws PostsealError `database.unreachable`. */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const name = options.name ?? 'postseal';
  const base = {
    connectionString: options.url,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    options: sessionSettings,
  };
  const pool = new pg.Pool({ ...base, max: options.poolMax, application_name: name });
  // Without a listener a lost connection would end the process. The pool listens to idle clients
  // only; one that is lost while in use also fails its query, which is where it is handled.
  pool.on('error', (error) => options.onConnectionLost?.(mapPostgresError(error)));
  pool.on('connect', (client) => client.on('error', () => undefined));
  try {
    await pool.query('SELECT 1');
  } catch (error) {
    await pool.end();
    throw mapPostgresError(error);
  }
  return {
    pool,
    connect: async (suffix, { pipeline = false } = {}) => {
      const client = new pg.Client({ ...base, application_name: `${name} ${suffix}`, pipeline });
      // Its loss also fails the query in flight or the next one, which is where it is handled.
      client.on('error', (error) => options.onConnectionLost?.(mapPostgresError(error)));
      try {
        await client.connect();
      } catch (error) {
        throw mapPostgresError(error, { connection: suffix });
      }
      return client;
    },
    transaction: (run) => pooledTransaction(pool, run),
    close: () => pool.end(),
  };
}

/**
 * BEGIN, `run`, COMMIT on `client`, with the same promises as `Database.transaction`. The COMMIT of an
 * aborted transaction succeeds with the tag ROLLBACK, so the tag is what counts.
 */
export async function transactionOn<T>(
  client: pg.ClientBase,
  run: (client: pg.ClientBase) => Promise<T>,
): Promise<T> {
  try {
    await client.query('BEGIN');
    const result = await run(client);
    const { command } = await client.query('COMMIT');
    if (command !== 'COMMIT') throw new PostsealError('store.aborted', { tag: command });
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {
      // The connection is gone, and with it the transaction; the first error says more.
    });
    throw mapPostgresError(error);
  }
}

async function pooledTransaction<T>(
  pool: pg.Pool,
  run: (client: pg.ClientBase) => Promise<T>,
): Promise<T> {
  let client: pg.PoolClient;
  try {
    client = await pool.connect();
  } catch (error) {
    throw mapPostgresError(error);
  }
  let broken = false;
  try {
    return await transactionOn(client, run);
  } catch (error) {
    broken = error instanceof PostsealError && error.code === 'database.unreachable';
    throw error;
  } finally {
    client.release(broken);
  }
}
