import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { PostsealError } from '../../src/kernel/errors.ts';
import { uuidV4 } from '../../src/kernel/ids.ts';
import { parseProofFile } from '../../src/ledger/checkpoint/proof-file.ts';
import { openCheckpoint } from '../../src/ledger/checkpoint/checkpoint.ts';
import { type EventDraft, systemActor } from '../../src/ledger/event/draft.ts';
import { inboxAgeMs } from '../../src/ledger/event/inbox.store.ts';
import { ledgerProof } from '../../src/ledger/query/ledger-proof.ts';
import { queryLedger } from '../../src/ledger/query/query.store.ts';
import { sequenceBatch, takeLead } from '../../src/ledger/sequencer/sequencer.store.ts';
import { createSigner } from '../../src/ledger/signer/signer.ts';
import { openTileFiles } from '../../src/ledger/tiles/tile-files.ts';
import { verifyInclusion } from '../../src/ledger/tree/proofs.ts';
import { leafHash } from '../../src/ledger/tree/hashes.ts';
import { verifyLedger } from '../../src/ledger/verify/verify-ledger.ts';
import { startTestDatabase } from '../harness/postgres.ts';
import type { TestDatabase } from '../harness/postgres.ts';
import { newHome, newSealer, openLedgerFixture, origin, someDraft } from './ledger-fixture.ts';
import type { LedgerFixture } from './ledger-fixture.ts';

let db: TestDatabase;
let home: string;
let ledger: LedgerFixture;
const sequencers: ReturnType<LedgerFixture['sequencer']>[] = [];
const startSequencer: LedgerFixture['sequencer'] = (options) => {
  const sequencer = ledger.sequencer(options);
  sequencers.push(sequencer);
  sequencer.start();
  return sequencer;
};
const drafts = (n: number) => Array.from({ length: n }, (_, i) => someDraft(i));

beforeEach(async () => {
  db = await startTestDatabase();
  home = newHome();
  ledger = await openLedgerFixture(db.database, home);
});
afterEach(async () => {
  for (const sequencer of sequencers.splice(0)) await sequencer.stop();
  await db.drop();
  rmSync(home, { recursive: true, force: true });
});

describe('createSequencer', () => {
  test('orders what was committed, and the whole ledger verifies', async () => {
    // Without the anchor of the start, which would come at a moment of its own.
    const sequencer = startSequencer({ anchorMs: Infinity });
    await Promise.all(Array.from({ length: 20 }, (_, i) => ledger.record(drafts(1 + i * 3))));
    const size = await sequencer.publish();
    expect(size).toBe(1 + 20 + 3 * 190);
    const report = await ledger.verify();
    expect(report).toMatchObject({ verdict: 'clean', size, findings: [], notices: [], boots: 2 });
    expect(report.checkpoint?.size).toBe(size);
    expect(await inboxAgeMs(db.database.pool)).toBe(0);
    const first = await queryLedger(db.database.pool, { order: 'oldest', limit: 1 });
    expect(first.rows[0]).toMatchObject({ seq: 0, op: 'log.origin' });
  });

  test('takes up at a restart where it stopped, across full tiles', async () => {
    let sequencer = startSequencer({ batchEvents: 100 });
    for (const n of [255, 1, 256, 700]) {
      await ledger.record(drafts(n));
      await sequencer.publish();
      await sequencer.stop();
      sequencer = startSequencer({ batchEvents: 100, anchorMs: Infinity });
    }
    expect((await ledger.verify()).findings).toEqual([]);
  });

  test('verifies clean while it is written', async () => {
    const sequencer = startSequencer({ checkpointMs: 10, batchEvents: 200 });
    await sequencer.publish();
    const writer = (async () => {
      for (let i = 0; i < 25; i += 1) await ledger.record(drafts(40));
    })();
    for (let i = 0; i < 3; i += 1) {
      const live = { database: db.database.pool, dir: ledger.dir, publicKey: ledger.key.spki };
      expect((await verifyLedger(live)).findings).toEqual([]);
    }
    await writer;
    await sequencer.publish();
    expect((await ledger.verify()).findings).toEqual([]);
  }, 60_000);

  test('one leads; when its connection dies another goes on, and nothing is there twice', async () => {
    const [a, b] = [startSequencer(), startSequencer()];
    await ledger.record(drafts(10));
    while (!a.status().leader && !b.status().leader) await sleep(5);
    expect([a.status().leader, b.status().leader].filter(Boolean)).toHaveLength(1);
    for (let i = 0; i < 5; i += 1) {
      await db.database.pool.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%sequencer' AND datname = current_database()",
      );
      await ledger.record(drafts(50));
    }
    while ((await inboxAgeMs(db.database.pool)) > 0) await sleep(5);
    // One whose connection was just killed may still think that it leads; it then says so.
    const [first, second] = a.status().leader ? [a, b] : [b, a];
    await first.publish().catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'ledger.stalled' });
      return second.publish();
    });
    const report = await ledger.verify();
    expect(report.findings).toEqual([]);
    const { rows } = await db.database.pool.query(
      "SELECT count(*)::int AS n FROM audit_log WHERE op LIKE 'm%'",
    );
    expect(rows).toEqual([{ n: 260 }]);
  });

  test('a leader that lost the lead unnoticed refuses to publish', async () => {
    const old = startSequencer({ pollMs: 3_600_000 });
    while (!old.status().leader) await sleep(5);
    await old.publish();
    const next = startSequencer();
    await db.database.pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%sequencer' AND datname = current_database()",
    );
    while (!next.status().leader) await sleep(5);
    await ledger.record(drafts(3));
    await expect(old.publish()).rejects.toMatchObject({ code: 'ledger.stalled' });
    expect(await next.publish()).toBeGreaterThanOrEqual(3);
  });

  test('a leader that was paused cannot write once another has taken a term', async () => {
    await ledger.record(drafts(3));
    const [old, next] = [await db.database.connect('old'), await db.database.connect('next')];
    try {
      const head = await takeLead(old, origin);
      await old.query('SELECT pg_advisory_unlock_all()');
      await takeLead(next, origin);
      await expect(sequenceBatch(old, head!, { first: [], limit: 10 })).rejects.toMatchObject({
        code: 'store.conflict',
      });
      expect(await inboxAgeMs(db.database.pool)).toBeGreaterThan(0);
    } finally {
      await old.end();
      await next.end();
    }
  });

  test('writes a heartbeat when nothing else happens', async () => {
    const sequencer = startSequencer({ heartbeatMs: 30, anchorMs: Infinity });
    const beats = () => queryLedger(db.database.pool, { op: ['log.heartbeat'], limit: 50 });
    while ((await beats()).rows.length < 3) await sleep(20);
    await sequencer.publish();
    expect((await ledger.verify()).findings).toEqual([]);
  });

  test('a body that is no leaf stops it with an alarm; the events stay in the inbox', async () => {
    const sequencer = startSequencer();
    await sequencer.publish();
    await db.database.pool.query(
      `INSERT INTO audit_inbox (event_ids, bodies, objects, object_events)
       VALUES (ARRAY[gen_random_uuid()], ARRAY['{}'::bytea], '{}', '{}')`,
    );
    sequencer.wake();
    while (sequencer.status().failed === undefined) await sleep(5);
    expect(ledger.alerts).toContainEqual(expect.objectContaining({ code: 'integrity.ledger' }));
    await expect(sequencer.publish()).rejects.toMatchObject({ code: 'ledger.stalled' });
    expect(await inboxAgeMs(db.database.pool)).toBeGreaterThan(0);
  });

  describe('an inbox row that does not say what its events name', () => {
    const [mine, other] = [1, 2].map((n) => uuidV4(Buffer.alloc(16, n))) as [string, string];
    const about = (id: string): EventDraft => ({
      op: 'custodian.created',
      outcome: 'success',
      actor: systemActor,
      objects: [{ t: 'cus', id }],
    });

    // Each lets a row of `other` or of `mine` pass the guard under an event that does not name it, or
    // would, if the columns were compared less strictly.
    test.each([
      ['another object', `ARRAY['${other}', '${other}']::uuid[]`, 'ARRAY[1, 2]'],
      ['more objects', `ARRAY['${mine}', '${other}', '${other}']::uuid[]`, 'ARRAY[1, 1, 2]'],
      ['fewer objects', `ARRAY['${other}']::uuid[]`, 'ARRAY[2]'],
      ['nothing', `'{}'::uuid[]`, `'{}'::int[]`],
      ['the events crosswise', `ARRAY['${mine}', '${other}']::uuid[]`, 'ARRAY[2, 1]'],
      ['an event that is not there', `ARRAY['${mine}', '${other}']::uuid[]`, 'ARRAY[1, 3]'],
      [
        'pairs moved by empty places',
        `ARRAY['${mine}', '${other}', NULL]::uuid[]`,
        'ARRAY[NULL, 1, 2]',
      ],
    ])('with %s: it stays in the inbox, the ledger stops with an alarm', async (_, ids, events) => {
      const sequencer = startSequencer();
      await sequencer.publish();
      const sealer = newSealer('test');
      const [a, b] = [sealer.seal(about(mine)), sealer.seal(about(other))];
      const forge = (objects: string, objectEvents: string) =>
        db.database.pool.query(
          `INSERT INTO audit_inbox (event_ids, bodies, objects, object_events)
           VALUES ($1, $2, ${objects}, ${objectEvents})`,
          [
            [a.id, b.id],
            [a.body, b.body],
          ],
        );
      await forge(ids, events);
      sequencer.wake();
      while (sequencer.status().failed === undefined) await sleep(5);
      const fields = { place: `audit_inbox event ${a.id}`, what: 'objects' };
      expect(sequencer.status().failed).toMatchObject({ code: 'integrity.ledger', fields });
      expect(ledger.alerts).toContainEqual({
        code: 'integrity.ledger',
        fields: { ...fields, cause: 'integrity.ledger' },
      });
      expect(await inboxAgeMs(db.database.pool)).toBeGreaterThan(0);
      const { verdict, findings } = await ledger.verify();
      expect([verdict, findings]).toEqual([
        'tampered',
        [{ place: 'audit_inbox', what: 'objects' }],
      ]);
    });

    test('with arrays counted from another number is refused by the database', async () => {
      const forged = db.database.pool.query(
        `INSERT INTO audit_inbox (event_ids, bodies, objects, object_events)
         VALUES (('[0:1]={' || gen_random_uuid() || ',' || gen_random_uuid() || '}')::uuid[],
                 ARRAY['{}', '{}']::bytea[], '{}', '{}')`,
      );
      await expect(forged).rejects.toMatchObject({ constraint: 'audit_inbox_from_one' });
    });
  });
});

describe('kill -9 of the process that records, sequences and signs', () => {
  test('four times at any step: every committed event is in the ledger once, and it verifies', async () => {
    const committed = new Set<string>();
    for (let round = 0; round < 4; round += 1) {
      const child = spawn(
        process.execPath,
        [join(import.meta.dirname, 'crash-child.ts'), db.url, home],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      while (!text.startsWith('ready\n')) await sleep(5);
      await sleep(60 + round * 61);
      child.kill('SIGKILL');
      await once(child, 'close');
      for (const id of text.split('\n').slice(1, -1)) if (id !== '') committed.add(id);
    }
    ledger = await openLedgerFixture(db.database, home);
    const sequencer = startSequencer();
    await sequencer.publish();
    const report = await ledger.verify();
    expect(report.findings).toEqual([]);
    const { rows } = await db.database.pool.query<{ event_id: string }>(
      'SELECT event_id FROM audit_log',
    );
    const ids = rows.map((row) => row.event_id);
    expect(new Set(ids).size).toBe(ids.length);
    expect([...committed].filter((id) => !ids.includes(id))).toEqual([]);
    expect(committed.size).toBeGreaterThan(100);
  }, 60_000);
});

describe('createSigner', () => {
  const sized = async (n: number) => {
    const sequencer = startSequencer();
    await ledger.record(drafts(n));
    await sequencer.publish();
    await sequencer.stop();
    const { size, root } = await ledger.signer.head();
    return { size, root };
  };

  test('refuses a shorter tree, another root of the same size, and a root that the tiles do not give', async () => {
    const { size, root } = await sized(300);
    expect(await ledger.signer.sign({ size, root })).toContain(`\n${size}\n`);
    await expect(ledger.signer.sign({ size: size - 1, root })).rejects.toMatchObject({
      fields: { what: 'rollback' },
    });
    await expect(ledger.signer.sign({ size, root: leafHash(root) })).rejects.toMatchObject({
      fields: { what: 'fork' },
    });
    await expect(ledger.signer.sign({ size: size + 1, root })).rejects.toMatchObject({
      code: 'integrity.ledger',
    });
    expect(
      ledger.alerts.filter(({ code }) => code === 'ledger.signer-refused').length,
    ).toBeGreaterThanOrEqual(2);
  });

  test('remembers over a restart, by its own file or by the published checkpoint', async () => {
    const { size, root } = await sized(20);
    for (const gone of [undefined, ledger.stateFile]) {
      if (gone !== undefined) await rm(gone);
      const again = await createSigner({
        key: ledger.key,
        origin,
        files: openTileFiles(ledger.dir),
        stateFile: ledger.stateFile,
      });
      expect(await again.head()).toMatchObject({ size, root });
      await expect(again.sign({ size: 1, root })).rejects.toMatchObject({
        fields: { what: 'rollback' },
      });
    }
  });

  test('a database that was restored to an older state does not get the lead', async () => {
    await sized(40);
    const older = await startTestDatabase();
    try {
      const other = await openLedgerFixture(older.database, home);
      const sequencer = other.sequencer();
      sequencer.start();
      while (sequencer.status().failed === undefined) await sleep(5);
      expect(sequencer.status().failed).toMatchObject({ code: 'integrity.ledger' });
      expect(other.alerts).toContainEqual(expect.objectContaining({ code: 'integrity.ledger' }));
      await sequencer.stop();
    } finally {
      await older.drop();
    }
  });
});

describe('queryLedger and ledgerProof', () => {
  test('filters by every column and pages by number', async () => {
    const sequencer = startSequencer();
    const events = await ledger.record(drafts(120));
    await sequencer.publish();
    const pool = db.database.pool;
    const mbx = `mbx:${someDraft(2).objects[0]!.id}`;
    const found = await queryLedger(pool, {
      object: mbx,
      outcome: 'success',
      actor: 'system',
      limit: 5,
    });
    expect(found.rows).toHaveLength(5);
    for (const row of found.rows)
      expect(row).toMatchObject({ actor: 'system', outcome: 'success', objects: [mbx] });
    const seen: number[] = [];
    for (let after = undefined as number | undefined, more = true; more;) {
      const page = await queryLedger(pool, {
        op: ['mail.received'],
        order: 'oldest',
        limit: 7,
        ...(after === undefined ? {} : { after }),
      });
      seen.push(...page.rows.map((row) => row.seq));
      more = page.next !== undefined;
      after = page.next;
    }
    expect(seen).toHaveLength(40);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    const all = await queryLedger(pool, { limit: 1000 });
    const mine = all.rows.filter((row) => row.eventId === events[5]!.id);
    expect(mine[0]?.body).toEqual(JSON.parse(events[5]!.body.toString()));
    const last = all.rows[0]!;
    expect((await queryLedger(pool, { from: last.at, limit: 10 })).rows.length).toBeGreaterThan(0);
    expect(
      (await queryLedger(pool, { until: '2020-01-01T00:00:00Z', limit: 10 })).rows,
    ).toHaveLength(0);
    expect(
      (await queryLedger(pool, { seqFrom: 3, seqTo: 5, limit: 10 })).rows.map((row) => row.seq),
    ).toEqual([4, 3]);
  });

  test('gives a proof file that stands on its own', async () => {
    const sequencer = startSequencer();
    const events = await ledger.record(drafts(700));
    await sequencer.publish();
    const [row] = (await queryLedger(db.database.pool, { eventId: events[300]!.id, limit: 1 }))
      .rows;
    const text = await ledgerProof(openTileFiles(ledger.dir), row!.seq);
    const file = parseProofFile(text)!;
    const opened = openCheckpoint(Buffer.from(file.checkpoint), { origin, spki: ledger.key.spki });
    if (typeof opened === 'string') throw new Error(opened);
    const claim = {
      index: file.index,
      size: opened.size,
      leaf: leafHash(events[300]!.body),
      root: opened.root,
    };
    expect(verifyInclusion(claim, file.proof)).toBe(true);
    expect(verifyInclusion({ ...claim, leaf: leafHash(events[301]!.body) }, file.proof)).toBe(
      false,
    );
    await expect(ledgerProof(openTileFiles(ledger.dir), 100_000)).rejects.toBeInstanceOf(
      PostsealError,
    );
  });
});
