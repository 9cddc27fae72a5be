// What the archive writes is refused under an event that names other records or other custodians, by
// the database itself; its own operations and what shares their batch go through.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { RecordRef } from '../../src/archive/types.ts';
import type { CustodianId } from '../../src/kernel/ids.ts';
import { type EventDraft, systemActor } from '../../src/ledger/event/draft.ts';
import { createEventSealer } from '../../src/ledger/event/event-sealer.ts';
import { withEvents } from '../../src/ledger/event/inbox.store.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { type ArchiveStage, eventOf, openArchiveStage, type StageProcess } from './stage.ts';

let db: TestDatabase;
let stage: ArchiveStage;
let process: StageProcess;
let owner: CustodianId;
let other: CustodianId;

beforeAll(async () => {
  db = await startTestDatabase();
  stage = await openArchiveStage(db.url);
  process = await stage.process();
  [owner, other] = [await custodian(), await custodian()];
}, 120_000);
afterAll(async () => {
  await stage.close();
  await db.drop();
});

async function custodian(): Promise<CustodianId> {
  const id = randomUUID() as CustodianId;
  await process.archive.ensureCustodian(id, 'person');
  return id;
}

let serial = 0;
function message(): Buffer {
  serial += 1;
  return Buffer.from(`From: a@example.com\r\nSubject: ${serial}\r\n\r\n${serial}\r\n`);
}

const refusedAt = (table: string) => ({ fields: { sqlState: 'PS001', table } });
const naming = (cus: string, ...records: string[]): EventDraft => ({
  op: 'mail.received',
  outcome: 'success',
  actor: systemActor,
  objects: [{ t: 'cus', id: cus }, ...records.map((id) => ({ t: 'rec', id }) as const)],
});

async function take(bytes: Buffer, draft: (record: RecordRef) => EventDraft): Promise<RecordRef> {
  const record = await process.archive.prepare({ custodian: owner, source: 'lmtp', bytes });
  try {
    const operation = { events: [draft(record)], parts: [record.part()] } as const;
    return (await process.committer.commit(operation)).outputs[0];
  } catch (error) {
    await record.discard();
    throw error;
  }
}

describe('a delivery', () => {
  test('whose event names another record or custodian is refused, and alone in its batch', async () => {
    const [good, record, custody] = await Promise.allSettled([
      take(message(), ({ recordId }) => naming(owner, recordId)),
      take(message(), () => naming(owner, randomUUID())),
      take(message(), ({ recordId }) => naming(other, recordId)),
    ]);
    expect(record).toMatchObject({ status: 'rejected', reason: refusedAt('record') });
    expect(custody).toMatchObject({ status: 'rejected', reason: refusedAt('content') });
    if (good.status === 'rejected') throw good.reason;
    expect((await process.read(good.value)).length).toBeGreaterThan(0);
  });

  test('of what the custodian has already counts a wrap, which its event names too', async () => {
    const bytes = message();
    await take(bytes, ({ recordId }) => naming(owner, recordId));
    await expect(take(bytes, ({ recordId }) => naming(other, recordId))).rejects.toMatchObject(
      refusedAt('content_wrap'),
    );
    await take(bytes, ({ recordId }) => naming(owner, recordId));
  });
});

describe('a shred', () => {
  test('whose event names another record or custodian destroys nothing', async () => {
    const bytes = message();
    const record = await process.take(owner, bytes);
    const lies = [
      { ...record, recordId: randomUUID() },
      { ...record, custodian: other },
    ];
    for (const lie of lies as RecordRef[]) {
      const purge = await process.archive.erasure.purge(record);
      const events = [eventOf('record.shredded', [lie])] as const;
      const shred = process.committer.commit({ events, parts: [purge.part] });
      await expect(shred).rejects.toMatchObject({ fields: { sqlState: 'PS001' } });
      await purge.release?.();
    }
    expect((await process.read(record)).equals(bytes)).toBe(true);
    expect(await process.shred(record)).toMatchObject({ contentDestroyed: true });
  });
});

describe('rows that are changed past the archive', () => {
  const sealer = createEventSealer({
    node: 'test',
    boot: randomUUID(),
    organisation: randomUUID() as never,
    component: 'test',
    clock: { now: () => Date.now() as never },
    random: (n) => Buffer.alloc(n, randomUUID()),
  });
  const under = (cus: string, sql: string, values: readonly unknown[]) =>
    withEvents(db.database, sealer, [naming(cus)], (client, [event]) =>
      client.query(sql.replaceAll('$event', `'${event!.id}'`), [...values]),
    );

  test('a content is handed on by an event about the custodian who had it, not the one who gets it', async () => {
    const { contentId } = await process.take(owner, message());
    const sql = 'UPDATE content SET holder_id = $2, event_id = $event WHERE content_id = $1';
    const values = [contentId, other];
    await expect(under(other, sql, values)).rejects.toMatchObject(refusedAt('content'));
    const moved = 'UPDATE content SET content_id = $2, event_id = $event WHERE content_id = $1';
    await expect(under(owner, moved, [contentId, randomUUID()])).rejects.toMatchObject(
      refusedAt('content'),
    );
    await under(owner, sql, values);
  });

  test.each([
    ['metadata_cell', 'UPDATE metadata_cell SET wrap = wrap WHERE custodian_id = $1'],
    ['metadata_cell', 'DELETE FROM metadata_cell WHERE custodian_id = $1'],
    [
      'metadata_page',
      `INSERT INTO metadata_page (custodian_id, page_id, first_no, last_no, page, wrap, digest)
       VALUES ($1, gen_random_uuid(), 0, 1, '', '', sha256(''))`,
    ],
    [
      'metadata_slot',
      `INSERT INTO metadata_slot (custodian_id, record_no, record_id, page_id)
       VALUES ($1, 77, gen_random_uuid(), gen_random_uuid())`,
    ],
  ])('%s is changed by an event about its custodian only: %s', async (table, sql) => {
    await process.take(owner, message());
    await expect(db.database.transaction((c) => c.query(sql, [owner]))).rejects.toMatchObject(
      refusedAt(table),
    );
    await expect(under(other, sql, [owner])).rejects.toMatchObject(refusedAt(table));
    expect((await under(owner, sql, [owner])).rowCount).toBeGreaterThan(0);
  });
});
