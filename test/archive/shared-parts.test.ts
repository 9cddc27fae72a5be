// Large parts are stored once, whoever has them in whatever message (docs/formats/recipe.md): the bytes that come
// out are the ones that went in, every custodian's keys are his own, and erasing takes what nobody else needs.
import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newScrubCounts, scrubArchive } from '../../src/archive/scrub.ts';
import type { StoredRecord } from '../../src/archive/types.ts';
import type { CustodianId } from '../../src/kernel/ids.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { heldContents } from './held-contents.ts';
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

const lines = (bytes: Buffer, length = 76, end = '\r\n'): string =>
  bytes.toString('base64').replace(new RegExp(`(.{${String(length)}})(?!$)`, 'gu'), `$1${end}`);

interface Attached {
  readonly encoding: string;
  readonly body: string;
}

let serial = 0;
/** A message of its own with these attachments. */
function mail(...parts: readonly Attached[]): Buffer {
  serial += 1;
  const attached = parts.map(
    ({ encoding, body }) =>
      `--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${body}\r\n`,
  );
  return Buffer.from(
    `From: a@example.com\r\nSubject: number ${String(serial)}\r\nMIME-Version: 1.0\r\n` +
      'Content-Type: multipart/mixed; boundary=b\r\n\r\n' +
      `--b\r\n\r\nsee number ${String(serial)}\r\n${attached.join('')}--b--\r\n`,
    'latin1',
  );
}
const file = (bytes: Buffer, length = 76, end = '\r\n'): Attached => ({
  encoding: 'base64',
  body: lines(bytes, length, end),
});

interface Row {
  readonly id: string;
  readonly size: number;
  readonly wraps: number;
  readonly refs: number;
}

/** Parts of a record's content, each with the wraps and references that all custodians have of it. */
async function partsOf({ contentId }: StoredRecord): Promise<Row[]> {
  const { rows } = await db.database.pool.query<Row>(
    `SELECT p.content_id::text AS id, p.size::int, count(*)::int AS wraps, sum(w.refs)::int AS refs
       FROM content r JOIN content p ON p.content_id = ANY (r.parts)
       JOIN content_wrap w ON w.content_id = p.content_id AND w.part
      WHERE r.content_id = $1 GROUP BY 1, 2 ORDER BY min(array_position(r.parts, p.content_id))`,
    [contentId],
  );
  return rows;
}

async function exists(id: string): Promise<boolean> {
  const { rowCount } = await db.database.pool.query('SELECT FROM content WHERE content_id = $1', [
    id,
  ]);
  return rowCount === 1;
}

async function findings(): Promise<unknown[]> {
  const found: unknown[] = [];
  const deps = { db: stage.database, store: one.store, keys: one.keys };
  for await (const finding of scrubArchive(deps, newScrubCounts())) found.push(finding);
  return found;
}

describe('what comes out', () => {
  const data = randomBytes(60_000);
  const damaged = lines(data).replace(/=*$/u, '*');
  test.each<[string, Attached[], number[]]>([
    ['base64 of 76', [file(data)], [60_000]],
    ['base64 of 64, LF', [file(data, 64, '\n')], [60_000]],
    ['base64 in one line', [file(data, 1_000_000)], [60_000]],
    ['padding', [file(data.subarray(1))], [59_999]],
    ['more padding', [file(data.subarray(2))], [59_998]],
    ['blank lines behind it', [{ encoding: 'base64', body: `${lines(data)}\r\n\r\n` }], [60_000]],
    ['lines of 75', [file(data, 75)], [lines(data, 75).length]],
    ['no base64 at all', [{ encoding: 'base64', body: damaged }], [damaged.length]],
    [
      'a short line inside',
      [{ encoding: 'base64', body: lines(data).replace('\r\n', '') }],
      [82_104 - 2],
    ],
    ['octets', [{ encoding: '8bit', body: 'x'.repeat(40_000) }], [40_000]],
    ['twice in one', [file(data), file(data, 64)], [60_000]],
    ['two', [file(data), file(data.subarray(9))], [60_000, 59_991]],
    ['small', [file(data.subarray(0, 20_000))], []],
  ])('is the message: %s', async (_name, parts, sizes) => {
    const bytes = mail(...parts);
    const record = await one.take(await custodian(), bytes);
    const reader = await two.archive.openBody(await two.grant([record]), record);
    expect((await reader.read(0, reader.size)).equals(bytes)).toBe(true);
    expect(reader.size).toBe(bytes.length);
    const piece = 77 * 5 + 1;
    for (let from = 0; from < bytes.length; from += Math.ceil(bytes.length / 40)) {
      const part = await reader.read(from, from + piece);
      expect(part.equals(bytes.subarray(from, from + piece))).toBe(true);
    }
    const edges = [0, 1, 2, 75, 76, 77, 78, 79, 80, 155, 156];
    const start = bytes.indexOf('\r\n\r\n', bytes.indexOf('octet-stream')) + 4;
    for (const from of start > 3 ? edges : []) {
      for (const to of edges) {
        const part = await reader.read(start + from, start + to);
        expect(part.equals(bytes.subarray(start + from, start + to))).toBe(true);
      }
    }
    reader.close();
    expect((await partsOf(record)).map(({ size }) => size)).toEqual(sizes.length > 0 ? sizes : []);
  });
});

describe('one copy', () => {
  test('of a file in other messages, encoded otherwise, of other people, by other processes', async () => {
    const [a, b] = [await custodian(), await custodian()];
    const data = randomBytes(50_000);
    const first = await one.take(a, mail(file(data)));
    const second = await two.take(b, mail(file(data, 64, '\n')));
    const third = await two.take(a, mail(file(data)));
    const same = await one.take(b, await one.read(first));
    expect(same.contentId).toBe(first.contentId);
    const [part] = await partsOf(first);
    // Two messages of each.
    expect(part).toMatchObject({ wraps: 2, refs: 4, size: 50_000 });
    for (const record of [second, third]) expect(await partsOf(record)).toEqual([part]);
    expect(await findings()).toEqual([]);
  });

  test('for all recipients of one message', async () => {
    const people = await Promise.all([1, 2, 3].map(custodian));
    const bytes = mail(file(randomBytes(40_000)));
    const prepared = await one.archive.prepareFor(people, { source: 'lmtp', bytes });
    const records = await Promise.all(prepared.map((each) => one.commit(each)));
    expect(await partsOf(records[0]!)).toMatchObject([{ wraps: 3, refs: 3 }]);
    for (const record of records) expect((await two.read(record)).equals(bytes)).toBe(true);
  });

  test('of what two processes take in at the same time', async () => {
    const people = await Promise.all([1, 2, 3, 4].map(custodian));
    const data = randomBytes(40_000);
    const mails = people.map(() => mail(file(data)));
    const records = await Promise.all(
      people.flatMap((id, i) => [one.take(id, mails[i]!), two.take(id, mails[(i + 1) % 4]!)]),
    );
    const [part] = await partsOf(records[0]!);
    expect(part).toMatchObject({ wraps: 4, refs: 8 });
    for (const record of records) expect(await partsOf(record)).toEqual([part]);
    for (const [i, record] of records.entries()) {
      const mine = mails[(Math.floor(i / 2) + (i % 2)) % 4]!;
      expect((await one.read(record)).equals(mine)).toBe(true);
    }
    expect(await findings()).toEqual([]);
  });
});

describe('erasing', () => {
  test('leaves a part that another message of the same person has', async () => {
    const owner = await custodian();
    const data = randomBytes(40_000);
    const kept = mail(file(data));
    const [gone, stays] = [await one.take(owner, mail(file(data))), await one.take(owner, kept)];
    const [part] = await partsOf(stays);
    expect(await one.shred(gone)).toMatchObject({ wrapDestroyed: true, contentDestroyed: true });
    expect(await partsOf(stays)).toEqual([{ ...part, refs: 1 }]);
    expect((await two.read(stays)).equals(kept)).toBe(true);
    await one.shred(stays);
    expect(await exists(part!.id)).toBe(false);
    expect(await findings()).toEqual([]);
  });

  test('leaves a part that somebody else has, with a holder who has a wrap of it', async () => {
    const [a, b, c] = [await custodian(), await custodian(), await custodian()];
    const data = randomBytes(40_000);
    const gone = await one.take(a, mail(file(data)));
    const stays = await two.take(b, mail(file(data)));
    const [part] = await partsOf(gone);
    await one.shred(gone);
    expect(await partsOf(stays)).toMatchObject([{ id: part!.id, wraps: 1 }]);
    const later = await one.take(c, mail(file(data)));
    expect(await partsOf(later)).toMatchObject([{ id: part!.id, wraps: 2 }]);
    expect(await findings()).toEqual([]);
  });

  test('of a message that the person has twice keeps its parts', async () => {
    const owner = await custodian();
    const bytes = mail(file(randomBytes(40_000)));
    const [first, again] = [await one.take(owner, bytes), await two.take(owner, bytes)];
    expect(await partsOf(first)).toMatchObject([{ wraps: 1, refs: 1 }]);
    expect(await one.shred(first)).toMatchObject({ wrapDestroyed: false });
    expect((await two.read(again)).equals(bytes)).toBe(true);
  });

  test('marks the group under which the wrap of a part hangs', async () => {
    const owner = await custodian();
    const record = await one.take(owner, mail(file(randomBytes(40_000))));
    await one.shred(record);
    const { rows } = await db.database.pool.query(
      'SELECT marked FROM group_key WHERE custodian_id = $1',
      [owner],
    );
    expect(rows).toEqual([{ marked: true }]);
  });

  test.each([1, 2, 3])('never takes a part from a message that just came, round %#', async () => {
    const [a, b] = [await custodian(), await custodian()];
    const data = randomBytes(40_000);
    const old = await one.take(a, mail(file(data)));
    const fresh = [mail(file(data)), mail(file(data))];
    let came: StoredRecord[] = [];
    await heldContents(
      db.database,
      [old, ...(await partsOf(old)).map(({ id }) => ({ contentId: id }) as StoredRecord)],
      () => [
        one.shred(old),
        Promise.all([two.take(a, fresh[0]!), two.take(b, fresh[1]!)]).then((records) => {
          came = records;
        }),
      ],
      () => Promise.resolve(),
    );
    for (const [i, record] of came.entries()) {
      expect((await one.read(record)).equals(fresh[i]!)).toBe(true);
    }
    expect(await findings()).toEqual([]);
  });
});
