// An attacker who writes the key tables: wraps of custodian, group and slot keys that change their owner, their
// number or their version open nothing, and a wrap that is put back after its key was ended stays dead. On a
// real PostgreSQL and a real key store; each time the key service starts anew and has nothing in memory.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { StoredRecord } from '../../src/archive/types.ts';
import type { CustodianId } from '../../src/kernel/ids.ts';
import { tamper } from '../archive/tamper.ts';
import { openSwitchStage, type SwitchStage } from '../archive/generations/switch-stage.ts';

let run: SwitchStage;
let mine: StoredRecord;
let theirs: StoredRecord;

beforeAll(async () => {
  run = await openSwitchStage();
  [mine, theirs] = [await oneOf(await run.newCustodian()), await oneOf(await run.newCustodian())];
}, 120_000);
afterAll(() => run.close());

async function oneOf(custodian: CustodianId): Promise<StoredRecord> {
  const [record] = await run.fill(custodian, 1);
  if (record === undefined) throw new Error('no record');
  return record;
}

const read = (record: StoredRecord): Promise<string> =>
  run.node.read(record).then(
    (bytes) => `read ${bytes.length}`,
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  );

/** Runs `change` on a table of keys, reads after a restart, and puts the table back. */
async function readAfter(
  table: string,
  change: string,
  values: readonly unknown[],
): Promise<string> {
  const copy = `kept_${randomUUID().replaceAll('-', '')}`;
  const { pool } = run.stage.database;
  await run.rows(`CREATE TABLE ${copy} AS TABLE ${table}`);
  await tamper(pool, `public.${table}`, change, values);
  await run.stage.restartKeys().catch(() => undefined);
  const found = await read(mine);
  await tamper(pool, `public.${table}`, `DELETE FROM ${table}`, []);
  await tamper(pool, `public.${table}`, `INSERT INTO ${table} SELECT * FROM ${copy}`, []);
  await run.stage.restartKeys();
  expect(await read(mine)).toMatch(/^read \d+$/);
  return found;
}

/** The columns of the first owner's row become those of the second owner's. */
const taken = (table: string, columns: readonly string[]): string => {
  const set = columns.map((column) => `${column} = s.${column}`).join(', ');
  return `UPDATE ${table} t SET ${set} FROM ${table} s WHERE t.custodian_id = $1 AND s.custodian_id = $2`;
};

test.each([
  ['custodian_key', ['wrap']],
  ['custodian_key', ['wrap', 'key_id']],
  ['group_key', ['wrap']],
  ['group_key', ['wrap', 'key_id']],
] as const)('%s: %j of somebody else opens nothing', async (table, columns) => {
  const change = taken(table, columns);
  expect(await readAfter(table, change, [mine.custodian, theirs.custodian])).toBe('integrity.tag');
});

test.each([
  ['custodian_key', 'version = version + 1'],
  ['custodian_key', 'key_id = gen_random_uuid()'],
  ['group_key', 'version = version + 1'],
  ['group_key', 'key_id = gen_random_uuid()'],
  ['group_key', 'parent_version = parent_version + 1'],
])('%s: a key that claims %s is not believed', async (table, claim) => {
  const change = `UPDATE ${table} SET ${claim} WHERE custodian_id = $1`;
  expect(await readAfter(table, change, [mine.custodian])).toMatch(/^(integrity\.|key\.)/);
});
