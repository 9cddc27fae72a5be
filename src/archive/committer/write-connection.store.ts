// The committer's one write connection: pipelined, opened when needed, replaced when it was lost.
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { PostsealError } from '../../kernel/errors.ts';
import type { Database } from '../../platform/postgres/database.ts';

const firstPauseMs = 20;
const longestPauseMs = 500;

export class WriteConnection {
  readonly #db: Database;
  readonly #patienceMs: number;
  #client: pg.Client | undefined;
  #closed = false;

  /** `patienceMs`: how long `get` tries before it gives up. */
  constructor(db: Database, patienceMs: number) {
    this.#db = db;
    this.#patienceMs = patienceMs;
  }

  /** @throws PostsealError `database.unreachable` after the patience is over. */
  async get(): Promise<pg.Client> {
    if (this.#client !== undefined) return this.#client;
    const giveUp = performance.now() + this.#patienceMs;
    for (let wait = firstPauseMs; ; wait = Math.min(wait * 2, longestPauseMs)) {
      try {
        return await this.#open();
      } catch (cause) {
        if (this.#closed || performance.now() + wait > giveUp) {
          throw new PostsealError('database.unreachable', { connection: 'committer' }, cause);
        }
        await pause(wait);
      }
    }
  }

  async #open(): Promise<pg.Client> {
    const client = await this.#db.connect('committer');
    const forget = (): void => {
      if (this.#client === client) this.#client = undefined;
    };
    client.on('error', forget);
    client.once('end', forget);
    // The property is only declared as read-only; the driver reads it at every query.
    (client as { pipeline: boolean }).pipeline = true;
    this.#client = client;
    return client;
  }

  /** Gives up a connection whose state is not known. */
  drop(client: pg.Client): void {
    if (this.#client === client) this.#client = undefined;
    client.end().catch(() => {
      // It is gone already, which is what was wanted.
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const client = this.#client;
    this.#client = undefined;
    await client?.end();
  }
}
