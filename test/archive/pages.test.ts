// Metadata in pages, on a real PostgreSQL, a real key service and real packs: a fold changes nothing that
// anyone reads, whoever delivers, shreds or kills at the same time; a shred inside a page takes one record.
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { foldMetadata } from '../../src/archive/fold-metadata.ts';
import { pageRowDigest } from '../../src/archive/row-digest.ts';
import { newScrubCounts, scrubArchive, type ScrubFinding } from '../../src/archive/scrub.ts';
import type { RecordMetadata, RecordRef, StoredRecord } from '../../src/archive/types.ts';
import { PostsealError } from '../../src/kernel/errors.ts';
import type { CustodianId } from '../../src/kernel/ids.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { heldContents } from './held-contents.ts';
import { SealedMetadata } from './sealed-metadata.ts';
import { type ArchiveStage, openArchiveStage, type StageProcess } from './stage.ts';
import { tamper as tamperWith } from './tamper.ts';

let db: TestDatabase;
let stage: ArchiveStage;
let one: StageProcess;
let two: StageProcess;
let sealed: SealedMetadata;

beforeAll(async () => {
  db = await startTestDatabase();
  stage = await openArchiveStage(db.url);
  one = await stage.process();
  two = await stage.process();
  sealed = new SealedMetadata(db.database.pool, one);
}, 120_000);
afterAll(async () => {
  await stage.close();
  await db.drop();
});

const tamper = (table: string, sql: string, values: readonly unknown[]): Promise<void> =>
  tamperWith(db.database.pool, table, sql, values);

let serial = 0;
function message(): Buffer {
  serial += 1;
  const text = randomBytes(randomInt(1, 400)).toString('hex');
  return Buffer.from(
    `From: a${serial}@example.com\r\nSubject: message ${serial}\r\nTo: b@example.com\r\n\r\n${text}\r\n`,
  );
}

async function custodianWith(count: number): Promise<[CustodianId, StoredRecord[]]> {
  const owner = randomUUID() as CustodianId;
  await one.archive.ensureCustodian(owner, 'person');
  return [owner, await deliver(owner, count)];
}
const deliver = (owner: CustodianId, count: number): Promise<StoredRecord[]> =>
  Promise.all(Array.from({ length: count }, () => one.take(owner, message())));

const fold = (limitPages = 100, by = one): ReturnType<typeof foldMetadata> =>
  foldMetadata({ db: db.database, keys: by.keys, committer: by.committer }, { limitPages });

async function rowsOf<T extends object>(sql: string, values: readonly unknown[]): Promise<T[]> {
  return (await db.database.pool.query<T>(sql, [...values])).rows;
}
async function count(table: string, owner: CustodianId): Promise<number> {
  const sql = `SELECT count(*)::int AS n FROM ${table} WHERE custodian_id = $1`;
  return (await rowsOf<{ n: number }>(sql, [owner]))[0]!.n;
}

/** Under a grant of its own, hence past the caches of other tests. */
async function metadata(
  records: readonly RecordRef[],
  by = one,
): Promise<(RecordMetadata | PostsealError)[]> {
  return by.archive.openMetadata(await by.grant(records), records);
}
async function readable(records: readonly RecordRef[], by = one): Promise<RecordMetadata[]> {
  return (await metadata(records, by)).map((found) => {
    if (found instanceof PostsealError) throw found;
    return found;
  });
}
const subjects = (all: readonly RecordMetadata[]): string[] =>
  all.map(({ headerLines }) => /Subject: (.*)\r/.exec(headerLines)?.[1] ?? '');

async function findings(): Promise<ScrubFinding[]> {
  const found: ScrubFinding[] = [];
  const deps = { db: db.database, store: one.store, keys: one.keys };
  for await (const finding of scrubArchive(deps, newScrubCounts())) found.push(finding);
  return found;
}

describe('foldMetadata', () => {
  test('moves the very bytes of cells into pages, one key for 128 records', async () => {
    const [owner, records] = await custodianWith(200);
    const before = await readable(records);
    const payloads = await sealed.cellPayloads(owner);
    expect(await fold()).toEqual({ pages: 2, records: 200, damaged: 0 });
    expect(await count('metadata_cell', owner)).toBe(0);
    expect(await count('metadata_slot', owner)).toBe(200);
    expect(await sealed.pagePayloads(owner)).toEqual(payloads);
    expect(await fold()).toEqual({ pages: 0, records: 0, damaged: 0 });
    expect(await findings()).toEqual([]);

    const inOrder = records.toSorted((a, b) => a.recordNo - b.recordNo);
    const grant = await two.grant(records);
    const opened = async (asked: readonly RecordRef[]): Promise<number> => {
      const { opens } = await two.keys.status();
      await two.archive.openMetadata(grant, asked);
      return (await two.keys.status()).opens - opens;
    };
    // A neighbour in an opened page costs no key; nor does the other page cost more than one.
    expect(await opened(inOrder.slice(5, 6))).toBe(1);
    expect(await opened(inOrder.slice(0, 128))).toBe(0);
    expect(await opened(inOrder)).toBe(1);
    two.archive.flushCaches();
    expect(await opened(inOrder.slice(0, 128))).toBe(1);
    expect(await two.archive.openMetadata(grant, records)).toEqual(before);
  }, 60_000);

  test('is bounded by its limit, goes on in the next run, and leaves what is too little', async () => {
    const [owner, records] = await custodianWith(300);
    expect(await fold(0)).toMatchObject({ pages: 0 });
    expect(await fold(1)).toMatchObject({ pages: 1, records: 128 });
    expect(await fold(1)).toMatchObject({ pages: 1, records: 128 });
    expect(await fold()).toMatchObject({ pages: 0, records: 0 });
    expect(await count('metadata_cell', owner)).toBe(44);
    const late = await deliver(owner, 20);
    expect(await fold()).toMatchObject({ pages: 1, records: 64 });
    expect(await readable([...late, ...records])).toHaveLength(320);
    const folded = await rowsOf(
      `SELECT convert_from(u.body, 'UTF8')::jsonb->'obj' AS obj
         FROM audit_inbox i, unnest(i.bodies) AS u (body)
        WHERE convert_from(u.body, 'UTF8')::jsonb->>'op' = 'metadata.folded'`,
      [],
    );
    for (const n of [128, 64]) expect(folded).toContainEqual({ obj: [{ t: 'cus', id: owner, n }] });
  }, 60_000);

  test('leaves a damaged cell where it is and folds the others', async () => {
    const [owner, records] = await custodianWith(66);
    await tamper(
      'metadata_cell',
      `UPDATE metadata_cell SET cell = set_byte(cell, 90, get_byte(cell, 90) # 1)
        WHERE custodian_id = $1 AND record_id = $2`,
      [owner, records[3]!.recordId],
    );
    expect(await fold()).toEqual({ pages: 1, records: 65, damaged: 1 });
    expect((await sealed.cellRows(owner)).map(({ id }) => id)).toEqual([records[3]!.recordId]);
    const all = await metadata(records);
    expect(all.filter((found) => found instanceof PostsealError)).toMatchObject([
      { code: 'integrity.tag' },
    ]);
    await one.shred(records[3]!);
  }, 60_000);

  test('a server process killed at any moment leaves cells or a page', async () => {
    const [owner, records] = await custodianWith(256);
    const before = subjects(await readable(records));
    const over = new AbortController();
    let killed = 0;
    const killing = (async () => {
      while (!over.signal.aborted) {
        await pause(randomInt(1, 25));
        const { rowCount } = await db.database.pool.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name LIKE '%committer'`,
        );
        killed += rowCount ?? 0;
      }
    })();
    for (let round = 0; round < 4; round += 1) {
      await fold(1).catch((error: unknown) => {
        if (!(error instanceof PostsealError) || !error.retryable) throw error;
      });
      const [once] = await rowsOf<{ records: number; places: number }>(
        `SELECT count(DISTINCT record_id)::int AS records, count(*)::int AS places FROM (
           SELECT record_id FROM metadata_cell WHERE custodian_id = $1
           UNION ALL SELECT s.record_id FROM metadata_slot s JOIN metadata_page p
             USING (custodian_id, page_id) WHERE custodian_id = $1) places`,
        [owner],
      );
      expect(once).toEqual({ records: 256, places: 256 });
    }
    over.abort();
    await killing;
    expect(killed).toBeGreaterThan(0);
    await fold();
    expect(await count('metadata_page', owner)).toBe(2);
    expect(subjects(await readable(records))).toEqual(before);
    expect(await findings()).toEqual([]);
  }, 120_000);

  test('deliveries, shreds and other folds at the same time: what lives opens, the rest is gone', async () => {
    const [owner, first] = await custodianWith(140);
    const live = new Map(first.map((record) => [record.recordId, record]));
    const gone: RecordRef[] = [];
    const over = new AbortController();
    const folding = [one, two].map(async (process) => {
      while (!over.signal.aborted) await fold(100, process);
    });
    const reading = (async () => {
      while (!over.signal.aborted) {
        const asked = [...live.values()].slice(60, 120);
        // Shredded meanwhile or there, but never without metadata for another reason.
        for (const found of await metadata(asked, two)) {
          if (found instanceof PostsealError) expect(found.code).toBe('key.destroyed');
        }
      }
    })();
    for (let round = 0; round < 6; round += 1) {
      const all = [...live.values()];
      const going = Array.from({ length: 6 }, (_, i) => all[(i * 37 + round) % all.length]!);
      for (const record of new Set(going)) {
        live.delete(record.recordId);
        gone.push(record);
      }
      const [added] = await Promise.all([
        deliver(owner, 30),
        ...[...new Set(going)].map((record, i) => (i % 2 === 0 ? one : two).shred(record)),
      ]);
      for (const record of added) live.set(record.recordId, record);
    }
    over.abort();
    await Promise.all([...folding, reading]);
    await fold();
    expect(await count('metadata_page', owner)).toBeGreaterThan(0);
    expect(await readable([...live.values()])).toHaveLength(live.size);
    for (const found of await metadata(gone))
      expect(found).toMatchObject({ code: 'key.destroyed' });
    expect(await findings()).toEqual([]);
  }, 180_000);
});

describe('shred of a record in a page', () => {
  test('seals the others again under another id and key, and takes the old wrap', async () => {
    const [owner, records] = await custodianWith(64);
    await fold();
    const [old] = await sealed.pageRows(owner);
    const before = await sealed.pagePayloads(owner);
    const others = records.slice(1);
    const expected = subjects(await readable(others));
    const grant = await one.grant(records);
    await one.archive.openMetadata(grant, records);
    await one.shred(records[0]!);
    const after = await sealed.pageRows(owner);
    expect(after).toHaveLength(1);
    expect(after[0]!.id).not.toBe(old!.id);
    expect(after[0]!.wrap.equals(old!.wrap)).toBe(false);
    before.delete(records[0]!.recordId);
    expect(await sealed.pagePayloads(owner)).toEqual(before);
    // Also for a session that had everything in its caches.
    expect((await one.archive.openMetadata(grant, records))[0]).toMatchObject({
      code: 'key.destroyed',
    });
    expect(subjects(await readable(others))).toEqual(expected);
    expect(await one.archive.openMetadata(grant, [records[0]!])).toMatchObject([
      { code: 'key.destroyed' },
    ]);
    const marked = await rowsOf('SELECT FROM group_key WHERE custodian_id = $1 AND marked', [
      owner,
    ]);
    expect(marked).toHaveLength(1);
    expect(await findings()).toEqual([]);
  }, 60_000);

  test('looks again when the record was folded, or its page sealed anew, since it looked', async () => {
    const [owner, records] = await custodianWith(70);
    const [early, first, second] = records;
    await heldContents(
      db.database,
      [early!],
      () => [one.shred(early!)],
      () => fold(1, two),
    );
    expect(await count('metadata_slot', owner)).toBe(69);
    await heldContents(
      db.database,
      [first!, second!],
      () => [one.shred(first!), two.shred(second!)],
      () => Promise.resolve(),
    );
    expect(await count('metadata_slot', owner)).toBe(67);
    expect(await readable(records.slice(3))).toHaveLength(67);
    for (const found of await metadata(records.slice(0, 3))) {
      expect(found).toMatchObject({ code: 'key.destroyed' });
    }
    expect(await findings()).toEqual([]);
  }, 60_000);

  test('many at once, from two processes, down to the last', async () => {
    const [owner, records] = await custodianWith(64);
    await fold();
    const half = records.slice(0, 24);
    await Promise.all(half.map((record) => one.shred(record)));
    await Promise.all(
      records.slice(24, 36).map((record, i) => (i % 2 === 0 ? one : two).shred(record)),
    );
    expect(await readable(records.slice(36))).toHaveLength(28);
    expect(await count('metadata_page', owner)).toBe(1);
    expect(await count('metadata_slot', owner)).toBe(28);
    await Promise.all(records.slice(36).map((record) => two.shred(record)));
    expect(await count('metadata_page', owner)).toBe(0);
    expect(await count('metadata_slot', owner)).toBe(0);
    expect(await findings()).toEqual([]);
  }, 120_000);
});

describe('scrubArchive', () => {
  test('finds a changed byte of a page, of its wrap, and rows that do not fit, and names the page', async () => {
    const [owner, records] = await custodianWith(64);
    await fold();
    const { id } = (await sealed.pageRows(owner))[0]!;
    const flip = (column: string, at: number): Promise<void> =>
      tamper(
        'metadata_page',
        `UPDATE metadata_page SET ${column} = set_byte(${column}, $2, get_byte(${column}, $2) # 1)
          WHERE page_id = $1`,
        [id, at],
      );
    const named = { kind: 'page', place: { custodian: owner, page: id } };
    for (const [column, at] of [
      ['page', 0],
      ['page', 700],
      ['page', 3_000],
      ['wrap', 40],
      ['digest', 5],
    ] as const) {
      await flip(column, at);
      expect(await findings()).toMatchObject([{ ...named, what: 'digest' }]);
      await flip(column, at);
    }
    // Somebody who writes the digest too is caught by the key service.
    await flip('wrap', 60);
    const [row] = await rowsOf<{ first: number; last: number; page: Buffer; wrap: Buffer }>(
      'SELECT first_no::int AS first, last_no::int AS last, page, wrap FROM metadata_page WHERE page_id = $1',
      [id],
    );
    const { first: firstNo, last: lastNo, page, wrap } = row!;
    const setDigest = (bytes: Buffer): Promise<void> =>
      tamper('metadata_page', 'UPDATE metadata_page SET digest = $2 WHERE page_id = $1', [
        id,
        pageRowDigest({ custodian: owner, pageId: id, firstNo, lastNo, page, wrap: bytes }),
      ]);
    await setDigest(wrap);
    expect(await findings()).toMatchObject([{ ...named, what: 'integrity.tag' }]);
    await flip('wrap', 60);
    wrap[60]! ^= 1;
    await setDigest(wrap);
    expect(await findings()).toEqual([]);

    const slot = [owner, records[9]!.recordNo];
    await tamper(
      'metadata_slot',
      'UPDATE metadata_slot SET page_id = gen_random_uuid() WHERE custodian_id = $1 AND record_no = $2',
      slot,
    );
    expect(await findings()).toMatchObject([
      { ...named, what: 'records and slots differ' },
      { kind: 'row', place: { custodian: owner, object: records[9]!.recordId } },
    ]);
    await tamper(
      'metadata_slot',
      'DELETE FROM metadata_slot WHERE custodian_id = $1 AND record_no = $2',
      slot,
    );
    expect(await findings()).toMatchObject([
      named,
      { kind: 'row', place: { table: 'record', object: records[9]!.recordId } },
    ]);
    await tamper(
      'metadata_slot',
      `INSERT INTO metadata_slot (custodian_id, record_no, record_id, page_id) VALUES ($1, $2, $3, $4)`,
      [...slot, records[9]!.recordId, id],
    );
    expect(await findings()).toEqual([]);
  }, 60_000);
});
