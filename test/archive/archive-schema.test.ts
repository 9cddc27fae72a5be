// Migration 0003 on a real server: the guard, and the partitions that a cluster can distribute by.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';

let db: TestDatabase;
beforeAll(async () => {
  db = await startTestDatabase();
}, 120_000);
afterAll(() => db.drop());

describe('migration 0003', () => {
  test('refuses a row whose event is not of this transaction', async () => {
    const insert = db.database.pool.query(
      'INSERT INTO organisation (organisation_id, event_id) VALUES (gen_random_uuid(), gen_random_uuid())',
    );
    await expect(insert).rejects.toMatchObject({ code: 'PS001' });
  });

  test('puts custodian_id into the primary key of everything a custodian owns', async () => {
    const { rows } = await db.database.pool.query<{ table: string }>(
      `SELECT c.relname AS table FROM pg_class c
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'custodian_id'
         JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
        WHERE c.relnamespace = 'public'::regnamespace AND NOT a.attnum = ANY (i.indkey)`,
    );
    expect(rows).toEqual([]);
  });

  test('has 32 partitions of each custodian-owned table', async () => {
    const { rows } = await db.database.pool.query<{ table: string; parts: string }>(
      `SELECT inhparent::regclass::text AS table, count(*) AS parts FROM pg_inherits
        WHERE inhparent::regclass::text IN ('record', 'content_wrap', 'metadata_cell', 'metadata_page',
                                           'metadata_slot')
        GROUP BY 1 ORDER BY 1`,
    );
    expect(rows).toEqual(
      ['content_wrap', 'metadata_cell', 'metadata_page', 'metadata_slot', 'record'].map(
        (table) => ({
          table,
          parts: '32',
        }),
      ),
    );
  });
});
