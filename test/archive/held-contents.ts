// Holds operations up between their preparation and their transaction: their contents are locked.
import { setTimeout as pause } from 'node:timers/promises';
import type { StoredRecord } from '../../src/archive/types.ts';
import type { Database } from '../../src/platform/postgres/database.ts';

/** Starts operations on the locked contents of `records`; all wait, for them or for each other, when `meanwhile` runs. */
export async function heldContents(
  db: Database,
  records: readonly StoredRecord[],
  start: () => Promise<unknown>[],
  meanwhile: () => Promise<unknown>,
): Promise<void> {
  const client = await db.connect('holder');
  let running: Promise<unknown>[] = [];
  try {
    await client.query('BEGIN');
    await client.query('SELECT FROM content WHERE content_id = ANY ($1) FOR UPDATE', [
      records.map(({ contentId }) => contentId),
    ]);
    running = start();
    while ((await waiting(db)) < running.length) await pause(10);
    await meanwhile();
  } finally {
    await client.end();
  }
  await Promise.all(running);
}

async function waiting(db: Database): Promise<number> {
  const { rows } = await db.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database()
        AND wait_event_type = 'Lock'`,
  );
  return rows[0]?.n ?? 0;
}
