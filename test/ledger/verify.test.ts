import { rmSync } from 'node:fs';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { NumberLedger } from '../../src/ledger/verify/number-ledger.ts';
import { Findings } from '../../src/ledger/verify/finding.ts';
import { hasSuperuser, noSuperuser } from '../harness/given-server.ts';
import { describeIf } from '../harness/needs.ts';
import { startTestDatabase } from '../harness/postgres.ts';
import type { TestDatabase } from '../harness/postgres.ts';
import { newHome, openLedgerFixture, someDraft } from './ledger-fixture.ts';
import type { LedgerFixture } from './ledger-fixture.ts';

let db: TestDatabase;
let ledger: LedgerFixture;
const home = newHome();
const size = 700;

beforeAll(async () => {
  db = await startTestDatabase();
  ledger = await openLedgerFixture(db.database, home);
  const sequencer = ledger.sequencer({ anchorMs: Infinity });
  sequencer.start();
  await ledger.record(Array.from({ length: 300 }, (_, i) => someDraft(i)));
  await sequencer.publish();
  await ledger.record(Array.from({ length: size - (await logSize()) }, (_, i) => someDraft(i)));
  await sequencer.publish();
  await sequencer.stop();
}, 60_000);
afterAll(async () => {
  await db.drop();
  rmSync(home, { recursive: true, force: true });
});

async function logSize(): Promise<number> {
  const { rows } = await db.database.pool.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM audit_log',
  );
  return rows[0]!.n;
}
const verdict = async () => {
  const { verdict: word, findings } = await ledger.verify();
  return { word, places: findings.map(({ place, what }) => `${place}: ${what}`) };
};
async function files(folder: string): Promise<string[]> {
  const entries = await readdir(join(ledger.dir, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(ledger.dir.length + 1));
}

describe('verifyLedger', () => {
  test('finds an untouched ledger clean and tells what it checked', async () => {
    const report = await ledger.verify();
    expect(report).toMatchObject({ verdict: 'clean', size, findings: [], notices: [] });
    expect(report.checkpoint).toEqual({ size, root: report.root });
    expect(report.tiles).toBe(4);
    expect(report.bundles).toBe(3);
    expect(report.checkpoints).toBeGreaterThan(2);
  });

  test('any single byte of any tile, bundle or checkpoint: the file is named', async () => {
    const all = [...(await files('tile')), ...(await files('checkpoints')), 'checkpoint'];
    expect(all.length).toBeGreaterThan(9);
    const place = fc.record({
      file: fc.constantFrom(...all),
      at: fc.nat(),
      bit: fc.integer({ min: 0, max: 7 }),
    });
    await fc.assert(
      fc.asyncProperty(place, async ({ file, at, bit }) => {
        const path = join(ledger.dir, file);
        const before = await readFile(path);
        const changed = Buffer.from(before);
        changed[at % changed.length]! ^= 1 << bit;
        await writeFile(path, changed);
        const found = await verdict();
        await writeFile(path, before);
        expect(found.word).toBe('tampered');
        expect(found.places.map((text) => text.split(':')[0])).toContain(file);
      }),
      { seed: 3, numRuns: 40 },
    );
    expect((await verdict()).places).toEqual([]);
  });

  test('names files that are missing, cut or do not belong there', async () => {
    for (const file of ['tile/0/001', 'tile/entries/000', 'checkpoint', `tile/1/000.p/2`]) {
      const path = join(ledger.dir, file);
      const before = await readFile(path);
      await rm(path);
      expect((await verdict()).places).toContain(`${file}: missing`);
      await writeFile(path, before.subarray(0, -1));
      expect((await verdict()).places.map((text) => text.split(':')[0])).toContain(file);
      await writeFile(path, before);
    }
    await writeFile(join(ledger.dir, 'tile/0/extra'), '');
    expect((await verdict()).places).toEqual(['tile/0/extra: unexpected file']);
    await rm(join(ledger.dir, 'tile/0/extra'));
  });
});

describeIf(hasSuperuser, noSuperuser, 'verifyLedger, of rows that a superuser changed', () => {
  let root: pg.Client;
  beforeAll(async () => {
    root = new pg.Client({ connectionString: db.superuserUrl });
    await root.connect();
    await root.query(
      'ALTER TABLE audit_log DISABLE TRIGGER ALL; ALTER TABLE audit_log_000000 DISABLE TRIGGER ALL',
    );
  });
  afterAll(() => root.end());

  test.each([
    ['body', 'body = set_byte(body, 40, get_byte(body, 40) # 1)', ['body']],
    ['leaf', 'leaf = set_byte(leaf, 7, get_byte(leaf, 7) # 128)', ['leaf']],
    ['chain', 'chain = set_byte(chain, 31, get_byte(chain, 31) # 1)', ['chain']],
    ['event_id', 'event_id = gen_random_uuid()', ['event_id']],
    ['at', "at = at + interval '1 microsecond'", ['at']],
    ['op', "op = 'mail.rejected'", ['op']],
    ['cls', "cls = 'Z'", ['cls']],
    ['outcome', "outcome = 'denied'", ['outcome']],
    ['actor', "actor = 'nobody'", ['actor']],
    ['objects', "objects = '{x:y}'", ['objects']],
    ['pruned body', 'body = NULL', ['body']],
  ])('names the row whose %s was changed', async (_name, change, what) => {
    for (const seq of [0, 256, size - 1]) {
      await root.query('BEGIN');
      await root.query(
        'CREATE TEMP TABLE before AS SELECT * FROM audit_log WHERE seq = $1'.replace(
          '$1',
          String(seq),
        ),
      );
      await root.query(`UPDATE audit_log SET ${change} WHERE seq = ${seq}`);
      await root.query('COMMIT');
      const found = await verdict();
      await root.query(
        `DELETE FROM audit_log WHERE seq = ${seq}; INSERT INTO audit_log SELECT * FROM before; DROP TABLE before`,
      );
      expect(found.word).toBe('tampered');
      const expected = what.map((one) => `audit_log seq ${seq}: ${one}`);
      // The head repeats the chain of the last row, and the first leaf has a duty of its own.
      expect(found.places).toEqual(expect.arrayContaining(expected));
      expect(found.places.filter((place) => !place.includes(`seq ${seq}:`))).toEqual([]);
    }
    expect((await verdict()).places).toEqual([]);
  });

  test('names rows that are gone, moved or forged, and a head that lies', async () => {
    const cases: [string, string[]][] = [
      ['DELETE FROM audit_log WHERE seq = 300', ['audit_log seq 300: missing']],
      [
        `DELETE FROM audit_log WHERE seq = ${size - 1}`,
        ['audit_head: size', `audit_log seq ${size - 1}: missing`],
      ],
      ['UPDATE audit_log SET seq = 90000 WHERE seq = 5', ['audit_log seq 5: missing']],
      ['UPDATE audit_head SET size = size + 1', ['audit_head: size']],
      ["UPDATE audit_head SET origin = 'example.com/else'", ['checkpoint: origin']],
      ["UPDATE audit_head SET chain = sha256('')", ['audit_head: chain']],
    ];
    for (const [sql, expected] of cases) {
      await root.query(
        'CREATE TEMP TABLE log_before AS SELECT * FROM audit_log; CREATE TEMP TABLE head_before AS SELECT * FROM audit_head',
      );
      await root.query(sql);
      const found = await verdict();
      await root.query(
        'DELETE FROM audit_log; INSERT INTO audit_log SELECT * FROM log_before; DROP TABLE log_before',
      );
      await root.query(
        'UPDATE audit_head h SET size = b.size, chain = b.chain, origin = b.origin FROM head_before b; DROP TABLE head_before',
      );
      expect({ sql, places: found.places }).toEqual({
        sql,
        places: expect.arrayContaining(expected) as unknown,
      });
    }
    expect((await verdict()).places).toEqual([]);
  });

  test('a whole suffix rewritten with new hashes and chain is caught by tiles and checkpoint', async () => {
    const { rows } = await root.query<{ body: Buffer }>(
      'SELECT body FROM audit_log WHERE seq = 690',
    );
    const forged = Buffer.from(rows[0]!.body.toString().replace('"success"', '"failure"'));
    await root.query(
      'CREATE TEMP TABLE log_before AS SELECT * FROM audit_log; CREATE TEMP TABLE head_before AS SELECT * FROM audit_head',
    );
    await root.query(
      "UPDATE audit_log SET body = $1, outcome = 'failure', leaf = sha256('\\x00'::bytea || $1::bytea) WHERE seq = 690",
      [forged],
    );
    await root.query(`DO $$ DECLARE c bytea := (SELECT chain FROM audit_log WHERE seq = 689); r record; BEGIN
      FOR r IN SELECT seq, leaf FROM audit_log WHERE seq >= 690 ORDER BY seq LOOP
        c := sha256('\\x02'::bytea || c || r.leaf); UPDATE audit_log SET chain = c WHERE seq = r.seq; END LOOP;
      UPDATE audit_head SET chain = c; END $$`);
    const found = await verdict();
    await root.query(
      'DELETE FROM audit_log; INSERT INTO audit_log SELECT * FROM log_before; UPDATE audit_head h SET chain = b.chain FROM head_before b; DROP TABLE log_before, head_before',
    );
    expect(found.places).toEqual(
      expect.arrayContaining([
        'tile/0/002.p/188: bytes',
        'tile/entries/002.p/188: bytes',
        'checkpoint: root',
      ]),
    );
    expect((await verdict()).places).toEqual([]);
  });

  test('an event deleted from the inbox before it was sequenced leaves a gap in the numbers', async () => {
    const [gone] = await ledger.record([someDraft(1)]);
    await root.query('DELETE FROM audit_inbox WHERE event_ids @> ARRAY[$1::uuid]', [gone!.id]);
    await ledger.record([someDraft(2)]);
    const sequencer = ledger.sequencer({ anchorMs: Infinity });
    sequencer.start();
    await sequencer.publish();
    await sequencer.stop();
    const report = await ledger.verify();
    expect(report.findings).toEqual([
      expect.objectContaining({
        what: 'number',
        detail: `numbers ${gone!.q} neither recorded nor voided`,
      }),
    ]);
  });
});

describe('NumberLedger', () => {
  const leaf = (q: number, voids: [number, number][] = []) => ({
    id: '',
    ts: '2026-01-01T00:00:00.000000Z',
    op: '',
    cls: '',
    outcome: '',
    actor: '',
    objects: [],
    node: 'n',
    boot: 'b',
    q,
    voids,
  });
  const run = (...leaves: ReturnType<typeof leaf>[]) => {
    const numbers = new NumberLedger();
    const findings = new Findings();
    for (const one of leaves) numbers.add(one, `q ${one.q}`, findings);
    numbers.close(Date.parse('2026-01-01T00:00:00Z'), 0, findings);
    return findings.list.map(({ place, detail }) => `${place} ${detail}`);
  };
  test('takes numbers in any order, voids before or after, and a void of what committed after all', () => {
    expect(run(leaf(2), leaf(1), leaf(4), leaf(5, [[3, 3]]))).toEqual([]);
    expect(run(leaf(1), leaf(3, [[2, 2]]), leaf(2))).toEqual([]);
  });
  test('names what is missing and what is there twice', () => {
    expect(run(leaf(1), leaf(4))).toEqual(['boot n/b numbers 2, 3 neither recorded nor voided']);
    expect(run(leaf(1), leaf(2), leaf(1))).toEqual(['q 1 b 1 twice']);
    expect(run(leaf(2))).toEqual(['boot n/b numbers 1 neither recorded nor voided']);
  });
});
