// A shred says which group keys its wraps hung under, so that the date of their end can be told.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { CustodianId } from '../../src/kernel/ids.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { type ArchiveStage, openArchiveStage, type StageProcess } from './stage.ts';

let db: TestDatabase;
let stage: ArchiveStage;
let node: StageProcess;
beforeAll(async () => {
  db = await startTestDatabase();
  stage = await openArchiveStage(db.url);
  node = await stage.process();
}, 60_000);
afterAll(async () => {
  await stage.close();
  await db.drop();
});

test('a shredded record is listed with its group, version and event; its neighbour is not', async () => {
  const custodian = randomUUID() as CustodianId;
  await node.archive.ensureCustodian(custodian, 'person');
  const [gone, kept] = [
    await node.take(custodian, mail('one')),
    await node.take(custodian, mail('two')),
  ];
  const { event } = await node.shred(gone);
  const { rows } = await db.database.pool.query(
    `SELECT custodian_id::text, record_id::text, group_no::int, version, event_id::text FROM erased_record`,
  );
  expect(rows).toEqual([
    { custodian_id: custodian, record_id: gone.recordId, group_no: 0, version: 1, event_id: event },
  ]);
  expect((await node.read(kept)).equals(mail('two'))).toBe(true);
});

test('a wrap under a group key that was destroyed is not stored, and the mail is refused', async () => {
  const custodian = randomUUID() as CustodianId;
  await node.archive.ensureCustodian(custodian, 'person');
  await node.take(custodian, mail('first'));
  const late = await node.archive.prepare({ custodian, source: 'lmtp', bytes: mail('late') });
  await destroyGroup(custodian);
  await expect(node.commit(late)).rejects.toMatchObject({ code: 'store.conflict' });
});

function mail(text: string): Buffer {
  return Buffer.from(`From: a@example.org\r\nSubject: ${text}\r\n\r\n${text}\r\n`);
}

/** As the end of a switch does it; the trigger of the guard stands aside for the test's own statement. */
async function destroyGroup(custodian: CustodianId): Promise<void> {
  const { pool } = db.database;
  await pool.query('ALTER TABLE group_key DISABLE TRIGGER postseal_guard_update');
  await pool.query(
    `UPDATE group_key SET state = 'destroyed', wrap = NULL WHERE custodian_id = $1`,
    [custodian],
  );
  await pool.query('ALTER TABLE group_key ENABLE ALWAYS TRIGGER postseal_guard_update');
}
