// The house rule of erasure (docs/architecture.md §1): a table with a record_id has an erasure target. Read
// from a migrated database, so that no way of writing a migration escapes it.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { erasureTargets } from '../../src/app/erasure-targets.ts';
import type { ErasureTarget } from '../../src/archive/erasure-target.ts';
import { type NodeServices, startNodeServices } from '../harness/node-services.ts';

let node: NodeServices;
let targets: readonly ErasureTarget[];
beforeAll(async () => {
  node = await startNodeServices();
  targets = erasureTargets(node.services);
}, 120_000);
afterAll(() => node.close());

/** Tables and partitioned tables, not their partitions. */
async function tablesWithRecordId(): Promise<string[]> {
  const { rows } = await node.db.database.pool.query<{ name: string }>(
    `SELECT c.relname AS name FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
      WHERE a.attname = 'record_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')
        AND NOT c.relispartition AND c.relnamespace NOT IN ('pg_catalog'::regnamespace)
      ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

const answered = (): string[] =>
  targets.flatMap(({ tables, kept }) => [...tables, ...Object.keys(kept)]).sort();

test('every table with a record_id has exactly one erasure target, and no target names another table', async () => {
  expect(answered()).toEqual(await tablesWithRecordId());
});

test('a new table with a record_id fails the rule until it has a target', async () => {
  const { pool } = node.db.database;
  await pool.query('CREATE TABLE public.new_room (custodian_id uuid, record_id uuid)');
  expect(answered()).not.toEqual(await tablesWithRecordId());
  await pool.query('DROP TABLE public.new_room');
});
