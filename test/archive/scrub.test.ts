// Scrub finds one changed byte wherever it is, names the place, and finds nothing where nothing is wrong.
import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { wrapRowDigest } from '../../src/archive/row-digest.ts';
import { newScrubCounts, scrubArchive, type ScrubFinding } from '../../src/archive/scrub.ts';
import type { StoredRecord } from '../../src/archive/types.ts';
import type { CustodianId } from '../../src/kernel/ids.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { type ArchiveStage, openArchiveStage, type StageProcess } from './stage.ts';
import { tamper as tamperWith } from './tamper.ts';

let db: TestDatabase;
let stage: ArchiveStage;
let node: StageProcess;
let small: StoredRecord;
let large: StoredRecord;
let twice: StoredRecord;

beforeAll(async () => {
  db = await startTestDatabase();
  stage = await openArchiveStage(db.url);
  node = await stage.process();
  const [first, second] = [randomUUID() as CustodianId, randomUUID() as CustodianId];
  await node.archive.ensureCustodian(first, 'person');
  await node.archive.ensureCustodian(second, 'person');
  small = await node.take(first, Buffer.from('Subject: small\r\n\r\nsmall\r\n'));
  large = await node.take(first, randomBytes(1_400_000));
  twice = await node.take(second, Buffer.from('Subject: small\r\n\r\nsmall\r\n'));
  // Shredded bytes stay as an orphan until compaction, which is no finding.
  await node.shred(await node.take(second, Buffer.from('Subject: gone\r\n\r\ngone\r\n')));
}, 120_000);
afterAll(async () => {
  await stage.close();
  await db.drop();
});

async function scrub(withKeys = false): Promise<ScrubFinding[]> {
  const found: ScrubFinding[] = [];
  const keys = withKeys ? { keys: node.keys } : {};
  const deps = { db: db.database, store: node.store, ...keys };
  for await (const finding of scrubArchive(deps, newScrubCounts())) found.push(finding);
  return found;
}

/** Runs SQL with the guard switched off, as an intruder with the owner's role would. */
const tamper = (table: string, sql: string, values: readonly unknown[]): Promise<void> =>
  tamperWith(db.database.pool, table, sql, values);

async function placeOf(
  record: StoredRecord,
): Promise<{ path: string; offset: number; length: number }> {
  const { rows } = await db.database.pool.query<{ pack: string; at: number; n: number }>(
    `SELECT pack_id::text AS pack, pack_offset::int AS at, pack_length::int AS n FROM content
      WHERE content_id = $1`,
    [record.contentId],
  );
  const { pack, at, n } = rows[0]!;
  return { path: join(stage.packs, pack.slice(0, 2), `${pack}.pack`), offset: at, length: n };
}

describe('scrubArchive', () => {
  test('finds nothing in a whole archive, with and without keys', async () => {
    const counts = newScrubCounts();
    for await (const finding of scrubArchive({ db: db.database, store: node.store }, counts)) {
      throw new Error(JSON.stringify(finding));
    }
    expect(counts).toEqual({ frames: 3, contents: 2, wraps: 3, cells: 3, pages: 0, orphans: 1 });
    expect(await scrub(true)).toEqual([]);
  });

  test('tells every step, which may end it', async () => {
    const deps = { db: db.database, store: node.store };
    const steps: number[] = [];
    const counts = newScrubCounts();
    const onStep = (): void => void steps.push(counts.frames + counts.wraps + counts.cells);
    for await (const finding of scrubArchive({ ...deps, onStep }, counts)) {
      throw new Error(JSON.stringify(finding));
    }
    expect(steps.length).toBeGreaterThanOrEqual(counts.frames + 2);
    expect(steps.at(-1)).toBe(counts.frames + counts.wraps + counts.cells);
    const stop = (): never => {
      throw new Error('stopped');
    };
    const stopped = scrubArchive({ ...deps, onStep: stop }, newScrubCounts());
    await expect(stopped.next()).rejects.toThrow('stopped');
  });

  test('takes a stream that a crash ended just before its prefix as a rest, not as damage', async () => {
    const stream = await node.store.appendStream({ objectId: randomUUID() });
    await stream.write(randomBytes(50_000));
    const { pack } = await stream.finish();
    const path = join(stage.packs, pack.slice(0, 2), `${pack}.pack`);
    const bytes = readFileSync(path).fill(0, 32, 64);
    chmodSync(path, 0o600);
    writeFileSync(path, bytes);
    expect(await scrub()).toEqual([]);
    rmSync(path);
  });

  test.each(['small', 'large'] as const)('finds any changed byte of a %s body', async (which) => {
    const record = which === 'small' ? small : large;
    const { path, offset, length } = await placeOf(record);
    const whole = readFileSync(path);
    chmodSync(path, 0o600);
    for (const at of [
      offset,
      offset + 20,
      offset + 40,
      offset + 32 + length,
      offset + 63 + length,
    ]) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 1;
      writeFileSync(path, bytes);
      const found = await scrub();
      expect(found.map(({ kind }) => kind)).toContain('pack');
      expect(found).toContainEqual(
        expect.objectContaining({
          kind: 'content',
          place: expect.objectContaining({ content: record.contentId }) as unknown,
        }),
      );
    }
    writeFileSync(path, whole);
    expect(await scrub()).toEqual([]);
  });

  test('finds a changed wrapped key, and names custodian and content', async () => {
    const { rows } = await db.database.pool.query<{ wrap: Buffer }>(
      'SELECT wrap FROM content_wrap WHERE custodian_id = $1 AND content_id = $2',
      [twice.custodian, twice.contentId],
    );
    const { wrap } = rows[0]!;
    const set = (bytes: Buffer, digest: Buffer | undefined): Promise<void> =>
      tamper(
        'content_wrap',
        `UPDATE content_wrap SET wrap = $3, digest = coalesce($4, digest)
          WHERE custodian_id = $1 AND content_id = $2`,
        [twice.custodian, twice.contentId, bytes, digest],
      );
    const expected = {
      kind: 'wrap',
      place: { custodian: twice.custodian, content: twice.contentId },
    };
    for (const at of [0, 3, 20, wrap.length - 1]) {
      const changed = Buffer.from(wrap);
      changed[at]! ^= 4;
      await set(changed, undefined);
      expect(await scrub()).toMatchObject([expected]);
    }
    // Somebody who fixes the digest too is caught by the key service.
    const changed = Buffer.from(wrap);
    changed[60]! ^= 4;
    const row = { custodian: twice.custodian, contentId: twice.contentId, group: 0, wrap: changed };
    await set(changed, wrapRowDigest(row));
    expect(await scrub()).toEqual([]);
    expect(await scrub(true)).toMatchObject([{ ...expected, what: 'integrity.tag' }]);
    await set(wrap, wrapRowDigest({ ...row, wrap }));
    expect(await scrub(true)).toEqual([]);
  });

  test('finds a changed cell', async () => {
    const change = (): Promise<void> =>
      tamper(
        'metadata_cell',
        `UPDATE metadata_cell SET cell = set_byte(cell, 100, get_byte(cell, 100) # 1)
          WHERE custodian_id = $1 AND record_no = $2`,
        [small.custodian, small.recordNo],
      );
    await change();
    expect(await scrub()).toMatchObject([
      { kind: 'cell', place: { custodian: small.custodian, record: small.recordId } },
    ]);
    await change();
    expect(await scrub()).toEqual([]);
  });

  test('finds rows that do not fit each other, and a pack that is gone', async () => {
    await tamper(
      'content_wrap',
      'UPDATE content_wrap SET refs = refs + 1 WHERE custodian_id = $1 AND content_id = $2',
      [small.custodian, small.contentId],
    );
    expect(await scrub()).toMatchObject([
      { kind: 'row', place: { custodian: small.custodian, object: small.contentId } },
    ]);
    await tamper(
      'content_wrap',
      'UPDATE content_wrap SET refs = refs - 1 WHERE custodian_id = $1 AND content_id = $2',
      [small.custodian, small.contentId],
    );
    rmSync((await placeOf(large)).path);
    expect(await scrub()).toMatchObject([{ kind: 'content', place: { content: large.contentId } }]);
    expect(readdirSync(stage.packs).length).toBeGreaterThan(0);
  });
});
