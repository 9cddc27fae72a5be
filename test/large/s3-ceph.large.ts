// The S3 body store on Ceph, whose Object Lock is real: the contract suite with locks, the proof of a start,
// and a pack that the law keeps while the keys of its bodies go.
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { compactDefaults, compactPacks } from '../../src/archive/compact-packs.ts';
import { gatherPacks } from '../../src/archive/gather-packs.ts';
import type { CustodianId, PackId } from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import { proveS3 } from '../../src/vault/s3/open-s3-bodies.ts';
import { openArchiveStage } from '../archive/stage.ts';
import { bodyStoreContract } from '../contract/body-store.contract.ts';
import { describeWith } from '../harness/needs.ts';
import { startTestDatabase } from '../harness/postgres.ts';
import { until } from '../harness/until.ts';
import { openBodiesAt, s3Case } from '../vault/s3/s3-case.ts';
import { type Ceph, cephPrograms, startCeph } from './ceph.ts';

describeWith(cephPrograms, 'Ceph', () => {
  let ceph: Ceph;
  beforeAll(async () => {
    ceph = await startCeph();
  }, 180_000);
  afterAll(() => ceph.close());

  bodyStoreContract(
    s3Case({
      place: (prefix) => ceph.place(prefix),
      away: () => ceph.away(),
      back: () => ceph.back(),
      locks: true,
    }),
  );

  test('proves its lock at a start, again and again', async () => {
    const config = { ...ceph.place('proof'), lock: 'compliance', cacheBytes: 1_048_576 } as const;
    await proveS3(config);
    await proveS3(config);
  }, 120_000);

  test('a gathered pack stays until its end, though every key of it is gone', async () => {
    const db = await startTestDatabase();
    const place = ceph.place(`law-${randomUUID()}`);
    const stage = await openArchiveStage(db.url, { openBodies: () => openBodiesAt(place) });
    try {
      const node = await stage.process();
      const custodian = randomUUID() as CustodianId;
      await node.archive.ensureCustodian(custodian, 'person');
      const free = await node.take(custodian, randomBytes(3_000));
      const bytes = randomBytes(4_000);
      const kept = await node.take(custodian, bytes);
      const large = await node.take(custodian, randomBytes(7_000_000));
      const end = (Math.ceil(Date.now() / 1000) * 1000 + 40_000) as UnixMs;
      const bound = new Set([kept.contentId, large.contentId]);
      const { store, committer } = node;
      const gathered = await gatherPacks({
        ...{ db: db.database, store, committer },
        lockEnds: (contents) =>
          Promise.resolve(
            contents.map(({ contentId }) => (bound.has(contentId) ? end : undefined)),
          ),
      });
      expect(gathered).toMatchObject({ moved: 2, packs: 2, locked: 1 });
      const { rows } = await db.database.pool.query<{ id: string; pack: PackId }>(
        'SELECT content_id::text AS id, pack_id::text AS pack FROM content',
      );
      const packOf = new Map(rows.map(({ id, pack }) => [id, pack]));
      const lockOf = (id: string) => store.lockedUntil(packOf.get(id) ?? ('' as PackId));
      expect(await lockOf(free.contentId)).toBeUndefined();
      expect(await lockOf(kept.contentId)).toBe(end);
      expect(await lockOf(large.contentId)).toBe(end);
      expect((await node.read(kept)).equals(bytes)).toBe(true);

      for (const record of [free, kept, large]) await node.shred(record);
      await expect(node.read(kept)).rejects.toThrow();
      const compact = () =>
        compactPacks(
          {
            ...{ db: db.database, store, committer, startedAt: 0 as UnixMs },
            clock: { now: () => Date.now() as UnixMs },
          },
          { ...compactDefaults, restMs: -60_000 },
        );
      // Two batches and the pack that no law keeps.
      expect(await compact()).toMatchObject({ removedPacks: 3 });
      expect(await compact()).toMatchObject({ removedPacks: 0 });
      expect(await lockOf(kept.contentId)).toBe(end);
      await until(async () => (await compact()).removedPacks > 0 && Date.now() >= end);
      await compact();
      expect(await lockOf(kept.contentId)).toBeUndefined();
      const left: PackId[] = [];
      for await (const { pack } of store.packs()) left.push(pack);
      expect(left).toEqual([]);
    } finally {
      await stage.close();
      await db.drop();
    }
  }, 240_000);
});
