// Gathering on a real S3 server: what was delivered in many small objects is read bit for bit before, during
// and after, killed at every step; an outage in between loses nothing; locks follow the law and nothing else.
import { spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { compactDefaults, compactPacks } from '../../src/archive/compact-packs.ts';
import { gatherDefaults, gatherPacks, type GatherDeps } from '../../src/archive/gather-packs.ts';
import { lockClass, lockOf } from '../../src/archive/lock-ends.ts';
import { newScrubCounts, scrubArchive, type ScrubCounts } from '../../src/archive/scrub.ts';
import type { StoredRecord } from '../../src/archive/types.ts';
import type { ContentId, CustodianId, PackId } from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import type { BodyStore } from '../../src/vault/packs/body-store.ts';
import { placeOf } from '../../src/vault/s3/object-keys.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { type S3Server, startS3Server } from '../harness/s3-server.ts';
import { until } from '../harness/until.ts';
import { openBodiesAt } from '../vault/s3/s3-case.ts';
import { type ArchiveStage, openArchiveStage, type StageProcess } from './stage.ts';

let db: TestDatabase;
let server: S3Server;
let stage: ArchiveStage;
let node: StageProcess;
const prefix = `gather-${randomUUID()}`;
const custodian = randomUUID() as CustodianId;
const living: { readonly record: StoredRecord; readonly bytes: Buffer }[] = [];

beforeAll(async () => {
  server = await startS3Server();
  db = await startTestDatabase();
  stage = await openArchiveStage(db.url, { openBodies: () => openBodiesAt(server.place(prefix)) });
  node = await stage.process();
  await node.archive.ensureCustodian(custodian, 'person');
}, 120_000);
afterAll(async () => {
  await stage.close();
  await db.drop();
  await server.close();
});

async function take(count: number, octets = 3_000): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const bytes = randomBytes(octets);
    living.push({ record: await node.take(custodian, bytes), bytes });
  }
}

async function packsOf(records: readonly StoredRecord[]): Promise<readonly PackId[]> {
  const { rows } = await db.database.pool.query<{ pack: PackId }>(
    'SELECT pack_id::text AS pack FROM content WHERE content_id = ANY($1::uuid[])',
    [records.map(({ contentId }) => contentId)],
  );
  return rows.map(({ pack }) => pack);
}

const placesOf = async (): Promise<Set<string>> =>
  new Set((await packsOf(living.map(({ record }) => record))).map((pack) => placeOf(pack)));

/** Through a process of its own, which has nothing in memory. */
async function expectWhole(): Promise<ScrubCounts> {
  const reader = await stage.process();
  for (const { record, bytes } of living) {
    expect((await reader.read(record)).equals(bytes)).toBe(true);
  }
  const counts = newScrubCounts();
  const found = [];
  for await (const finding of scrubArchive({ db: db.database, store: reader.store }, counts)) {
    found.push(finding);
  }
  expect(found).toEqual([]);
  return counts;
}

const gather = (deps: Partial<GatherDeps> = {}, options = gatherDefaults) =>
  gatherPacks({ db: db.database, store: node.store, committer: node.committer, ...deps }, options);

const compact = (restMs: number) =>
  compactPacks(
    {
      db: db.database,
      store: node.store,
      committer: node.committer,
      clock: { now: () => Date.now() as UnixMs },
      startedAt: 0 as UnixMs,
    },
    { ...compactDefaults, restMs },
  );

describe('gathering', () => {
  test('moves what lies in batches into few packs, and the batches go after their rest', async () => {
    await take(12);
    await take(1, 3_000_000);
    expect(await placesOf()).toEqual(new Set(['batch', 'large']));
    expect(await gather()).toMatchObject({ moved: 12, packs: 1, locked: 0, damaged: 0 });
    expect(await placesOf()).toEqual(new Set(['pack', 'large']));
    expect((await expectWhole()).orphans).toBe(12);
    // A second run has nothing to do, and what rests is not removed.
    expect(await gather()).toMatchObject({ moved: 0, packs: 0 });
    expect(await compact(compactDefaults.restMs)).toMatchObject({ removedPacks: 0 });
    expect(await compact(-60_000)).toMatchObject({ removedPacks: 12, moved: 0 });
    expect((await expectWhole()).orphans).toBe(0);
  }, 120_000);

  test('an outage refuses mail, and afterwards everything that was acknowledged is there', async () => {
    await take(2);
    await server.away();
    await expect(take(1)).rejects.toMatchObject({ code: 'store.unreachable', retryable: true });
    await expect(gather()).rejects.toMatchObject({ code: 'store.unreachable' });
    await server.back();
    await until(() =>
      take(1).then(
        () => true,
        () => false,
      ),
    );
    await expectWhole();
    await gather();
    await expectWhole();
  }, 120_000);

  test('what a killed process put and did not commit is an orphan, and is swept', async () => {
    await gather();
    await compact(-60_000);
    const before = (await expectWhole()).orphans;
    const { store } = await stage.process();
    const ref = store.append({ objectId: randomUUID() }, randomBytes(500));
    await store.sync(ref);
    expect((await expectWhole()).orphans).toBe(before + 1);
    expect(await compact(compactDefaults.restMs)).toMatchObject({ removedPacks: 0 });
    expect(await compact(-60_000)).toMatchObject({ removedPacks: 1 });
    expect((await expectWhole()).orphans).toBe(before);
  }, 120_000);

  // Before each of the others nothing has changed since the step that went before.
  const steps = [
    'after read',
    ...['finish', 'commit', 'record', 'remove'].flatMap((name) => [
      `before ${name}`,
      `after ${name}`,
    ]),
    'before sweep',
  ];

  test('killed at every step it loses nothing, and the next run goes on', async () => {
    const child = fileURLToPath(new URL('gather-until-killed.ts', import.meta.url));
    const run = (step: string) =>
      spawnSync(
        process.execPath,
        [child, db.url, server.endpoint, prefix, stage.organisation, step],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
      );
    for (const step of steps) {
      await take(2);
      expect([step, run(step).signal]).toEqual([step, 'SIGKILL']);
      await expectWhole();
    }
    for (let i = 0; i < 2; i += 1) expect(run('never').status).toBe(0);
    await expectWhole();
    expect(JSON.parse(run('never').stdout)).toMatchObject({
      gathered: { moved: 0, packs: 0 },
      compacted: { moved: 0, removedPacks: 0 },
    });
    expect(await placesOf()).toEqual(new Set(['pack', 'large']));
  }, 240_000);
});

describe('the lock of a gathered pack', () => {
  const end = (text: string): UnixMs => Date.parse(text) as UnixMs;

  test('is the earliest end of its members, never of one that has none', () => {
    const [one, two] = [end('2033-03-05T00:00:00Z'), end('2033-03-01T00:00:00Z')];
    expect(lockOf([one, two])).toBe(two);
    expect(lockOf([one, undefined])).toBeUndefined();
    expect(lockOf([])).toBeUndefined();
    expect(lockClass(one)).toBe(lockClass(two));
    expect(lockClass(undefined)).not.toBe(lockClass(one));
  });

  test('bodies of other ends, and those without a legal basis, lie apart', async () => {
    await take(6);
    const mine = living.slice(-6).map(({ record }) => record);
    const ends = new Map<ContentId, UnixMs>([
      [mine[0]!.contentId, end('2031-05-20T00:00:00Z')],
      [mine[1]!.contentId, end('2031-05-02T00:00:00Z')],
      [mine[2]!.contentId, end('2040-01-01T00:00:00Z')],
    ]);
    const locks: (UnixMs | undefined)[] = [];
    // s3rver cannot lock: what it is told is looked at here, what a lock holds in test/large/.
    const store = new Proxy(node.store, {
      get(target, name) {
        if (name !== 'gather') return Reflect.get(target, name) as unknown;
        return (): ReturnType<BodyStore['gather']> => {
          const real = target.gather();
          return {
            add: (object, payload) => real.add(object, payload),
            finish: (until) => {
              locks.push(until);
              return real.finish();
            },
          };
        };
      },
    });
    const lockEnds: GatherDeps['lockEnds'] = (contents) =>
      Promise.resolve(contents.map(({ contentId }) => ends.get(contentId)));
    expect(await gather({ store, lockEnds })).toMatchObject({ packs: 3, moved: 6 });
    expect(new Set(locks)).toEqual(
      new Set([undefined, end('2031-05-02T00:00:00Z'), end('2040-01-01T00:00:00Z')]),
    );
    const packs = await Promise.all(mine.map(async (record) => (await packsOf([record]))[0]));
    expect(packs[0]).toBe(packs[1]);
    expect(packs[3]).toBe(packs[4]);
    expect(new Set(packs).size).toBe(3);
    await expectWhole();
  }, 120_000);

  test('a pack is closed at its size, and a locked one is left alone by compaction', async () => {
    await take(6, 9_000);
    const small = { packBytes: 20_000, packBodies: 4_096 };
    expect(await gather({}, small)).toMatchObject({ packs: 3, moved: 6 });
    const doomed = living.splice(-2);
    for (const { record } of doomed) await node.shred(record);
    const asked: PackId[] = [];
    const store = new Proxy(node.store, {
      get: (target, name) =>
        name === 'lockedUntil'
          ? (pack: PackId) => {
              asked.push(pack);
              return Promise.resolve((Date.now() + 60_000) as UnixMs);
            }
          : (Reflect.get(target, name) as unknown),
    });
    const clock = { now: () => Date.now() as UnixMs };
    const deps = { db: db.database, store, committer: node.committer, clock };
    const result = await compactPacks(
      { ...deps, startedAt: 0 as UnixMs },
      { ...compactDefaults, restMs: -60_000 },
    );
    expect(asked.length).toBeGreaterThan(0);
    expect(result).toMatchObject({ removedPacks: 0, moved: 0 });
    await expectWhole();
  }, 120_000);
});
