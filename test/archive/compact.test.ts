// Compaction: what lives is read bit for bit before, during and after, killed at every step; what is dead
// is gone from the disk; what may still be written to or read from is left alone.
import { spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  compactDefaults,
  compactPacks,
  type CompactOptions,
  type CompactResult,
} from '../../src/archive/compact-packs.ts';
import { newScrubCounts, scrubArchive } from '../../src/archive/scrub.ts';
import type { StoredRecord } from '../../src/archive/types.ts';
import type { CustodianId } from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { type ArchiveStage, openArchiveStage, type StageProcess } from './stage.ts';

let db: TestDatabase;
let stage: ArchiveStage;
let node: StageProcess;
const custodian = randomUUID() as CustodianId;
const living: { readonly record: StoredRecord; readonly bytes: Buffer }[] = [];

beforeAll(async () => {
  db = await startTestDatabase();
  stage = await openArchiveStage(db.url);
  node = await stage.process();
  await node.archive.ensureCustodian(custodian, 'person');
}, 120_000);
afterAll(async () => {
  await stage.close();
  await db.drop();
});

/** A pack with its footer: `dead` of its bodies are shredded, one lives. */
async function newPack(dead: number): Promise<void> {
  const writer = await stage.process();
  const records: StoredRecord[] = [];
  for (let i = 0; i < dead; i += 1) {
    records.push(await writer.take(custodian, randomBytes(3_000)));
  }
  const bytes = randomBytes(2_000);
  living.push({ record: await writer.take(custodian, bytes), bytes });
  await writer.store.close();
  for (const record of records) await node.shred(record);
}

const packs = (): string[] =>
  readdirSync(stage.packs, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.pack'),
  );

/** Lets every pack look as if nobody had touched it for so long. */
function age(milliseconds: number): void {
  const then = new Date(Date.now() - milliseconds);
  for (const name of packs()) utimesSync(join(stage.packs, name), then, then);
}

async function run(options: Partial<CompactOptions> = {}): Promise<CompactResult> {
  const { store, committer } = node;
  const clock = { now: () => Date.now() as UnixMs };
  return compactPacks(
    { db: db.database, store, committer, clock, startedAt: clock.now() },
    { ...compactDefaults, ...options },
  );
}

async function expectWhole(): Promise<void> {
  for (const { record, bytes } of living) {
    expect((await node.read(record)).equals(bytes)).toBe(true);
  }
  const found = [];
  for await (const finding of scrubArchive(
    { db: db.database, store: node.store },
    newScrubCounts(),
  )) {
    found.push(finding);
  }
  expect(found).toEqual([]);
}

const day = 24 * 3_600_000;

describe('compaction', () => {
  test('leaves packs alone that changed within their rest, and those that are mostly alive', async () => {
    await newPack(3);
    await newPack(0);
    expect(await run()).toMatchObject({ moved: 0, removedPacks: 0 });
    age(day);
    const before = packs();
    expect(await run()).toMatchObject({ moved: 1, removedPacks: 0, damaged: 0 });
    await expectWhole();
    // The emptied one rests first: a reader may be on its way to it.
    expect(await run()).toMatchObject({ moved: 0, removedPacks: 0 });
    age(day);
    const { removedPacks, removedBytes } = await run();
    expect(removedPacks).toBe(1);
    expect(removedBytes).toBeGreaterThan(9_000);
    expect(before.filter((name) => packs().includes(name))).toHaveLength(before.length - 1);
    await expectWhole();
  });

  test('a damaged body stays where it is and is counted; its neighbours move, once', async () => {
    const writer = await stage.process();
    const records: StoredRecord[] = [];
    for (let i = 0; i < 6; i += 1) {
      const bytes = randomBytes(2_000);
      const record = await writer.take(custodian, bytes);
      if (i >= 4) living.push({ record, bytes });
      records.push(record);
    }
    await writer.store.close();
    for (const record of records.slice(0, 4)) await node.shred(record);
    age(day);
    const [, damaged] = records.slice(4);
    const placeOf = async (): Promise<{ pack: string; at: number }> => {
      const { rows } = await db.database.pool.query<{ pack: string; at: number }>(
        'SELECT pack_id::text AS pack, pack_offset::int AS at FROM content WHERE content_id = $1',
        [damaged!.contentId],
      );
      return rows[0]!;
    };
    const place = await placeOf();
    const path = join(stage.packs, place.pack.slice(0, 2), `${place.pack}.pack`);
    const whole = readFileSync(path);
    const bad = Buffer.from(whole);
    bad[place.at + 100]! ^= 1;
    const write = (bytes: Buffer): void => {
      chmodSync(path, 0o600);
      writeFileSync(path, bytes);
    };
    write(bad);
    age(day);
    expect(await run()).toMatchObject({ moved: 1, damaged: 1 });
    const bytesOfAll = (): number =>
      packs().reduce((sum, name) => sum + statSync(join(stage.packs, name)).size, 0);
    const before = bytesOfAll();
    age(day);
    expect(await run()).toMatchObject({ moved: 0, damaged: 1 });
    expect(bytesOfAll()).toBeLessThanOrEqual(before);
    expect(await placeOf()).toEqual(place);
    write(whole);
    await expectWhole();
  });

  test('a body that is shredded while it is copied does not come back', async () => {
    await newPack(2);
    const doomed = living.pop()!.record;
    age(day);
    const { store, committer } = node;
    const clock = { now: () => Date.now() as UnixMs };
    let shreds = 0;
    const late = {
      record: committer.record.bind(committer),
      commit: (async (operation) => {
        if (shreds === 0) await node.shred(doomed);
        shreds += 1;
        return committer.commit(operation);
      }) as typeof committer.commit,
    };
    await compactPacks(
      { db: db.database, store, committer: late, clock, startedAt: clock.now() },
      compactDefaults,
    );
    const { rows } = await db.database.pool.query('SELECT FROM content WHERE content_id = $1', [
      doomed.contentId,
    ]);
    expect(shreds).toBeGreaterThan(0);
    expect(rows).toHaveLength(0);
    await expectWhole();
  });

  const emptying = ['touch', 'read', 'add', 'finish', 'commit'];
  const deleting = ['record', 'remove'];
  const steps = [...emptying, ...deleting].flatMap((name) => [`before ${name}`, `after ${name}`]);

  test('killed at every step it loses nothing, and the next run goes on', async () => {
    const child = fileURLToPath(new URL('compact-until-killed.ts', import.meta.url));
    const compact = (step: string) =>
      spawnSync(process.execPath, [child, db.url, stage.packs, stage.organisation, step], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    for (let i = 0; i < emptying.length; i += 1) await newPack(3);
    for (const step of steps) {
      await newPack(3);
      expect([step, compact(step).signal]).toEqual([step, 'SIGKILL']);
      await expectWhole();
    }
    // Everything that was begun is brought to its end, and what remains is alive or young.
    for (let i = 0; i < 3; i += 1) expect(compact('never').status).toBe(0);
    await expectWhole();
    const { moved, removedPacks } = JSON.parse(compact('never').stdout) as CompactResult;
    expect({ moved, removedPacks }).toEqual({ moved: 0, removedPacks: 0 });
  }, 240_000);

  test('the ledger tells of both, without a word of whose', async () => {
    const { rows } = await db.database.pool.query<{ body: Buffer }>(
      'SELECT unnest(bodies) AS body FROM audit_inbox',
    );
    const events = rows.map(({ body }) => JSON.parse(body.toString('utf8')) as { op: string });
    expect(events.some(({ op }) => op === 'pack.compacted')).toBe(true);
    expect(events.some(({ op }) => op === 'pack.removed')).toBe(true);
  });
});
