// No key meets a nonce twice, whatever is stored again: docs/security/attacks.md says why that is so by
// construction; here the stored bytes of the same messages, taken, shredded and taken again, are compared.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { CustodianId } from '../../src/kernel/ids.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { type ArchiveStage, openArchiveStage, type StageProcess } from '../archive/stage.ts';

let db: TestDatabase;
let stage: ArchiveStage;
let node: StageProcess;

beforeAll(async () => {
  db = await startTestDatabase();
  stage = await openArchiveStage(db.url);
  node = await stage.process();
}, 120_000);
afterAll(async () => {
  await stage.close();
  await db.drop();
});

test('equal messages have bodies under other keys each time, and no two seals share a nonce', async () => {
  const custodian = randomUUID() as CustodianId;
  await node.archive.ensureCustodian(custodian, 'person');
  const commitments: string[] = [];
  const nonces: string[] = [];
  const ids: string[] = [];
  const rounds = 4;
  const mails = 12;
  for (let round = 0; round < rounds; round += 1) {
    const taken = [];
    for (let n = 0; n < mails; n += 1)
      taken.push(await node.take(custodian, Buffer.from(`Subject: ${n}\r\n\r\nthe same ${n}\r\n`)));
    const { rows } = await db.database.pool.query<Record<'cell' | 'cell_wrap' | 'wrap', Buffer>>(
      `SELECT m.cell, m.wrap AS cell_wrap, w.wrap FROM record r
         JOIN metadata_cell m USING (custodian_id, record_no) JOIN content_wrap w USING (custodian_id, content_id)`,
    );
    // The nonce of a cell is its bytes 2 to 26, that of a wrap 6 to 30 (docs/formats/cell.md, wrap.md).
    for (const row of rows) {
      nonces.push(row.cell.subarray(2, 26).toString('hex'));
      nonces.push(row.cell_wrap.subarray(6, 30).toString('hex'));
      nonces.push(row.wrap.subarray(6, 30).toString('hex'));
    }
    for (const record of taken) {
      ids.push(record.contentId);
      const { rows: places } = await db.database.pool.query<Record<string, string>>(
        'SELECT pack_id, pack_offset, pack_length, encode(pack_digest, $2) AS digest FROM content WHERE content_id = $1',
        [record.contentId, 'hex'],
      );
      const [place = {}] = places;
      const body = await node.store.read({
        pack: place['pack_id'] as never,
        offset: Number(place['pack_offset']),
        length: Number(place['pack_length']),
        sha256: Buffer.from(String(place['digest']), 'hex'),
      });
      commitments.push(body.subarray(24, 56).toString('hex'));
      await node.shred(record);
    }
  }
  const all = rounds * mails;
  expect([ids.length, new Set(ids).size]).toEqual([all, all]);
  // A key commitment is the key's own: none twice means no chunk key twice, whose nonces are counters.
  expect([commitments.length, new Set(commitments).size]).toEqual([all, all]);
  expect([nonces.length, new Set(nonces).size]).toEqual([3 * all, 3 * all]);
});
