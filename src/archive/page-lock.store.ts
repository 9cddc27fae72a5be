// One shred at a time in the pages of a custodian, over all processes: two that seal one page again at
// the same time would each undo the other's preparation. Only fairness rests on it; that nothing is lost
// is checked in the transaction.
import type pg from 'pg';
import type { CustodianId } from '../kernel/ids.ts';
import type { Database } from '../platform/postgres/database.ts';
import { type Queryable, statement } from '../platform/postgres/statement.ts';

const lock = statement(
  'archive.page-lock.take',
  `SELECT pg_advisory_lock(hashtextextended('archive.pages ' || $1, 0))`,
);
const unlock = statement(
  'archive.page-lock.give',
  `SELECT pg_advisory_unlock(hashtextextended('archive.pages ' || $1, 0))`,
);

export class PageLock {
  readonly #db: Database;
  readonly #custodian: CustodianId;
  #client: pg.PoolClient | undefined;

  constructor(db: Database, custodian: CustodianId) {
    this.#db = db;
    this.#custodian = custodian;
  }

  /** The connection that holds it. */
  get client(): Queryable | undefined {
    return this.#client;
  }

  /** Waits for it, unless it is held already. Answers the connection that holds it, for reading. */
  async take(): Promise<Queryable> {
    if (this.#client !== undefined) return this.#client;
    const client = await this.#db.pool.connect();
    try {
      await lock.run(client, [this.#custodian]);
    } catch (error) {
      client.release(true);
      throw error;
    }
    this.#client = client;
    return client;
  }

  async give(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client === undefined) return;
    try {
      await unlock.run(client, [this.#custodian]);
      client.release();
    } catch {
      // With the connection the lock ends too; what was done under it stands.
      client.release(true);
    }
  }
}
