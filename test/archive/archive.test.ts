// The archive on a real PostgreSQL, a real key service and real packs: what goes in comes out, once
// stored and separately keyed, and what is shredded is gone, whoever does what at the same time.
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { RecordRef } from '../../src/archive/types.ts';
import type { CustodianId } from '../../src/kernel/ids.ts';
import { parseMessage } from '../../src/mime/parser.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { type ArchiveStage, openArchiveStage, type StageProcess } from './stage.ts';

let db: TestDatabase;
let stage: ArchiveStage;
let one: StageProcess;
let two: StageProcess;

beforeAll(async () => {
  db = await startTestDatabase();
  stage = await openArchiveStage(db.url);
  one = await stage.process();
  two = await stage.process();
}, 120_000);
afterAll(async () => {
  await stage.close();
  await db.drop();
});

async function custodian(): Promise<CustodianId> {
  const id = randomUUID() as CustodianId;
  await one.archive.ensureCustodian(id, 'person');
  return id;
}

let serial = 0;
const message = (text = 'hello'): Buffer => {
  serial += 1;
  return Buffer.from(
    `From: a@example.com\r\nSubject: ${text} ${serial}\r\nX-Other: y\r\n\r\n${text} ${serial}\r\n`,
  );
};

async function count(table: string, where: string, values: readonly unknown[]): Promise<number> {
  const { rows } = await db.database.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM ${table} WHERE ${where}`,
    [...values],
  );
  return rows[0]!.n;
}
const contents = (id: string): Promise<number> => count('content', 'content_id = $1', [id]);
const wraps = (id: string): Promise<number> => count('content_wrap', 'content_id = $1', [id]);

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    await Promise.resolve();
    yield bytes.subarray(at, at + size);
  }
}

describe('prepare, commit, open', () => {
  test('gives back the bytes and the usual header lines, structure and preview', async () => {
    const owner = await custodian();
    const bytes = message();
    const prepared = await one.archive.prepare({
      custodian: owner,
      source: 'lmtp',
      bytes: pieces(bytes, 7),
      envelope: { from: 'a@example.com', to: ['b@example.com'] },
    });
    const record = await one.commit(prepared);
    expect((await two.read(record)).equals(bytes)).toBe(true);
    const grant = await two.grant([record]);
    const [metadata] = await two.archive.openMetadata(grant, [record]);
    expect(metadata).toMatchObject({
      size: bytes.length,
      preview: `hello ${serial}`,
      headerTruncated: false,
      structure: { root: parseMessage(bytes).root },
      envelope: { from: 'a@example.com', to: ['b@example.com'] },
    });
    const lines = (metadata as { headerLines: string }).headerLines;
    expect(lines).toBe(`From: a@example.com\r\nSubject: hello ${serial}\r\n`);
  });

  test('opens nothing under an event about somebody else', async () => {
    const [mine, theirs] = [await custodian(), await custodian()];
    const record = await one.take(mine, message());
    const other = await one.take(theirs, message());
    const grant = await one.grant([other]);
    await expect(one.archive.openBody(grant, record)).rejects.toMatchObject({
      code: 'key.refused',
    });
    await expect(one.archive.openMetadata(grant, [record])).rejects.toMatchObject({
      code: 'key.refused',
    });
  });

  test('answers for each record when some are not there', async () => {
    const owner = await custodian();
    const record = await one.take(owner, message());
    const missing: RecordRef = { ...record, recordId: randomUUID() as RecordRef['recordId'] };
    const grant = await one.grant([record]);
    const bodies = await one.archive.openBodies(grant, [missing, record]);
    expect(bodies[0]).toMatchObject({ code: 'key.destroyed' });
    expect(bodies[1]).toMatchObject({ size: record.size });
    const metadata = await one.archive.openMetadata(grant, [record, missing]);
    expect(metadata[0]).toMatchObject({ size: record.size });
    expect(metadata[1]).toMatchObject({ code: 'key.destroyed' });
  });

  test('refuses what is too large before and while it comes', async () => {
    const owner = await custodian();
    const huge = pieces(Buffer.alloc(53_000_000, 'x'), 1_000_000);
    await expect(
      one.archive.prepare({ custodian: owner, source: 'lmtp', bytes: huge }),
    ).rejects.toMatchObject({ code: 'limit.message-size' });
  });

  test('streams a large message into a pack of its own and reads ranges of it', async () => {
    const owner = await custodian();
    const bytes = Buffer.concat([message('large'), randomBytes(3_500_000)]);
    const prepared = await one.archive.prepare({
      custodian: owner,
      source: 'append',
      bytes: pieces(bytes, 100_000),
    });
    const record = await one.commit(prepared);
    const reader = await two.archive.openBody(await two.grant([record]), record);
    expect(reader.size).toBe(bytes.length);
    for (const [from, to] of [
      [0, 10],
      [65_530, 65_545],
      [1_000_000, 2_500_001],
      [3_400_000, 9_999_999],
    ] as const) {
      expect((await reader.read(from, to)).equals(bytes.subarray(from, to))).toBe(true);
    }
    const all: Buffer[] = [];
    for await (const piece of reader.stream()) all.push(piece);
    expect(Buffer.concat(all).equals(bytes)).toBe(true);
    reader.close();
  });
});

describe('single instance, separate keys', () => {
  test('stores a content once for many custodians, each with a wrap of its own', async () => {
    const owners = [await custodian(), await custodian(), await custodian()];
    const bytes = message();
    const records = await one.archive.prepareFor(owners, { source: 'journal', bytes });
    const stored = await Promise.all(records.map((record) => one.commit(record)));
    expect(new Set(stored.map(({ contentId }) => contentId)).size).toBe(1);
    const { contentId } = stored[0]!;
    expect(await contents(contentId)).toBe(1);
    expect(await wraps(contentId)).toBe(3);
    // Another process meets it as known.
    const late = await custodian();
    const again = await two.archive.prepare({ custodian: late, source: 'lmtp', bytes });
    expect(again.known).toBe(true);
    const last = await two.commit(again);
    expect(last.contentId).toBe(contentId);
    for (const record of [...stored, last]) {
      expect((await two.read(record)).equals(bytes)).toBe(true);
    }
  });

  test('counts a custodian’s records of one content in one wrap', async () => {
    const owner = await custodian();
    const bytes = message();
    const first = await one.take(owner, bytes);
    const second = await two.take(owner, bytes);
    expect(second.contentId).toBe(first.contentId);
    expect(await count('content_wrap', 'content_id = $1 AND refs = 2', [first.contentId])).toBe(1);
    expect(second.recordId).not.toBe(first.recordId);
  });

  test('identical messages at the same time in one process share one content', async () => {
    const owners = await Promise.all(Array.from({ length: 10 }, custodian));
    const bytes = message();
    const stored = await Promise.all(owners.map((owner) => one.take(owner, bytes)));
    expect(new Set(stored.map(({ contentId }) => contentId)).size).toBe(1);
    for (const record of stored) expect((await one.read(record)).equals(bytes)).toBe(true);
  });

  test('two processes that seal the same content both succeed with one', async () => {
    const owners = [await custodian(), await custodian(), await custodian(), await custodian()];
    for (let round = 0; round < 5; round += 1) {
      const bytes = message('race');
      const prepared = await Promise.all(
        owners.map((owner, i) =>
          (i % 2 === 0 ? one : two).archive.prepare({ custodian: owner, source: 'lmtp', bytes }),
        ),
      );
      expect(new Set(prepared.map(({ contentId }) => contentId)).size).toBe(2);
      const stored = await Promise.all(
        prepared.map((record, i) => (i % 2 === 0 ? one : two).commit(record)),
      );
      expect(new Set(stored.map(({ contentId }) => contentId)).size).toBe(1);
      for (const record of stored) expect((await two.read(record)).equals(bytes)).toBe(true);
    }
  });

  test('a large duplicate leaves no file behind', async () => {
    const [first, second] = [await custodian(), await custodian()];
    const bytes = Buffer.concat([message('twice'), randomBytes(1_500_000)]);
    const record = await one.take(first, bytes);
    const files = packFiles();
    const duplicate = await one.take(second, bytes);
    expect(duplicate.contentId).toBe(record.contentId);
    await eventually(() => expect(packFiles()).toEqual(files));
    const given = await one.archive.prepare({
      custodian: second,
      source: 'lmtp',
      bytes: Buffer.concat([bytes, bytes]),
    });
    expect(packFiles()).toHaveLength(files.length + 1);
    await given.discard();
    expect(packFiles()).toEqual(files);
  });
});

/** Files of duplicates are deleted after the answer. */
async function eventually(check: () => void): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      check();
      return;
    } catch {
      await pause(20);
    }
  }
  check();
}

function packFiles(): string[] {
  return readdirSync(stage.packs, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.pack'))
    .sort();
}

describe('shred', () => {
  test('takes the wrap with the last record and the content with the last wrap', async () => {
    const [first, second] = [await custodian(), await custodian()];
    const bytes = message();
    const a = await one.take(first, bytes);
    const b = await one.take(first, bytes);
    const c = await one.take(second, bytes);
    await one.read(a);
    const { contentId } = a;
    expect(await one.shred(a)).toMatchObject({ wrapDestroyed: false, contentDestroyed: false });
    await expect(one.read(a)).rejects.toMatchObject({ code: 'key.destroyed' });
    expect((await one.read(b)).equals(bytes)).toBe(true);
    expect(await one.shred(b)).toMatchObject({ wrapDestroyed: true, contentDestroyed: false });
    expect(await wraps(contentId)).toBe(1);
    // The holder of the remaining wrap serves the next duplicate.
    const d = await two.take(first, bytes);
    expect(d.contentId).toBe(contentId);
    expect(await one.shred(c)).toMatchObject({ wrapDestroyed: true, contentDestroyed: false });
    expect(await two.shred(d)).toMatchObject({ wrapDestroyed: true, contentDestroyed: true });
    expect(await contents(contentId)).toBe(0);
    expect(await wraps(contentId)).toBe(0);
    expect(await count('metadata_cell', 'custodian_id = ANY ($1)', [[first, second]])).toBe(0);
    await expect(one.shred(a)).rejects.toMatchObject({ code: 'key.destroyed' });
    expect(await count('group_key', 'marked AND custodian_id = ANY ($1)', [[first, second]])).toBe(
      2,
    );
  });

  test('opened metadata is forgotten at once', async () => {
    const owner = await custodian();
    const record = await one.take(owner, message());
    const grant = await one.grant([record]);
    await one.archive.openMetadata(grant, [record]);
    await one.shred(record);
    const [after] = await one.archive.openMetadata(grant, [record]);
    expect(after).toMatchObject({ code: 'key.destroyed' });
  });

  test('a duplicate that was prepared before the last shred is sealed anew', async () => {
    const [first, second] = [await custodian(), await custodian()];
    const bytes = message();
    const record = await one.take(first, bytes);
    const prepared = await two.archive.prepare({ custodian: second, source: 'lmtp', bytes });
    expect(prepared.known).toBe(true);
    expect(await one.shred(record)).toMatchObject({ contentDestroyed: true });
    const stored = await two.commit(prepared);
    expect(stored.contentId).not.toBe(record.contentId);
    expect((await one.read(stored)).equals(bytes)).toBe(true);
  });

  test('the custodian’s own wrap that went meanwhile is made again', async () => {
    const [first, second] = [await custodian(), await custodian()];
    const bytes = message();
    const record = await one.take(first, bytes);
    await one.take(second, bytes);
    const prepared = await two.archive.prepare({ custodian: first, source: 'lmtp', bytes });
    await one.shred(record);
    const stored = await two.commit(prepared);
    expect(stored.contentId).toBe(record.contentId);
    expect((await one.read(stored)).equals(bytes)).toBe(true);
  });

  test('a large original prepared as a duplicate keeps its own file until the commit', async () => {
    const [first, second] = [await custodian(), await custodian()];
    const bytes = Buffer.concat([message('kept'), randomBytes(1_200_000)]);
    const record = await one.take(first, bytes);
    const prepared = await two.archive.prepare({ custodian: second, source: 'lmtp', bytes });
    await one.shred(record);
    const stored = await two.commit(prepared);
    expect((await one.read(stored)).equals(bytes)).toBe(true);
  });

  test('duplicates and shreds at the same time: what is acknowledged opens, the rest is gone', async () => {
    const owners = await Promise.all(Array.from({ length: 4 }, custodian));
    const bytes = message('busy');
    let live: RecordRef[] = [await one.take(owners[0]!, bytes)];
    for (let round = 0; round < 12; round += 1) {
      const going = live;
      const [added] = await Promise.all([
        Promise.all(owners.map((owner, i) => (i % 2 === 0 ? one : two).take(owner, bytes))),
        Promise.all(going.map((record, i) => (i % 2 === 0 ? two : one).shred(record))),
      ]);
      live = added;
      for (const record of live) expect((await two.read(record)).equals(bytes)).toBe(true);
      for (const record of going) {
        await expect(one.read(record)).rejects.toMatchObject({ code: 'key.destroyed' });
      }
    }
    const { rows } = await db.database.pool.query(
      `SELECT w.content_id FROM content_wrap w
        LEFT JOIN (SELECT custodian_id, content_id, count(*) AS n FROM record GROUP BY 1, 2) r
          USING (custodian_id, content_id) WHERE r.n IS DISTINCT FROM w.refs`,
    );
    expect(rows).toEqual([]);
  });
});

const corpus = process.env['POSTSEAL_CORPUS'] ?? join(process.cwd(), '..', 'shared', 'corpus');
const withCorpus = existsSync(corpus) ? test : test.skip;

describe('every message of the corpus', () => {
  withCorpus(
    'comes back byte for byte, with its size and structure',
    async () => {
      const owner = await custodian();
      const files = readdirSync(corpus, { recursive: true, encoding: 'utf8' }).filter((name) =>
        name.endsWith('.eml'),
      );
      expect(files.length).toBeGreaterThan(1_000);
      for (let at = 0; at < files.length; at += 100) {
        const originals = files.slice(at, at + 100).map((name) => readFileSync(join(corpus, name)));
        const records = await Promise.all(originals.map((bytes) => one.take(owner, bytes)));
        const grant = await two.grant(records);
        const [bodies, metadata] = await Promise.all([
          two.archive.openBodies(grant, records),
          two.archive.openMetadata(grant, records),
        ]);
        for (const [i, bytes] of originals.entries()) {
          const body = bodies[i]!;
          if ('code' in body) throw body;
          const back = await body.read(0, body.size);
          if (!back.equals(bytes)) throw new Error(`${files[at + i]} came back changed`);
          expect(metadata[i]).toMatchObject({ size: bytes.length });
          expect((metadata[i] as { structure: unknown }).structure).toEqual({
            size: bytes.length,
            lines: parseMessage(bytes).lines,
            root: parseMessage(bytes).root,
          });
        }
      }
    },
    120_000,
  );
});
