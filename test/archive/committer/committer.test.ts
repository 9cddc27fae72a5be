// The committer against a real PostgreSQL: what shares a batch, what fails alone, what is never lost.
import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { type BatchReport, createCommitter } from '../../../src/archive/committer/committer.ts';
import { governanceLockKey } from '../../../src/archive/committer/governance-lock.ts';
import { type Committer, part, type PartKind } from '../../../src/archive/committer/types.ts';
import { PostsealError } from '../../../src/kernel/errors.ts';
import type { CustodianId, MailboxId, OrganisationId } from '../../../src/kernel/ids.ts';
import type { UnixMs } from '../../../src/kernel/time.ts';
import { type EventDraft, systemActor } from '../../../src/ledger/event/draft.ts';
import { createEventSealer } from '../../../src/ledger/event/event-sealer.ts';
import { withEvents } from '../../../src/ledger/event/inbox.store.ts';
import type { Database } from '../../../src/platform/postgres/database.ts';
import { startTestDatabase, type TestDatabase } from '../../harness/postgres.ts';
import { type Row, rowKind } from './row-kind.ts';

const organisation = randomUUID() as OrganisationId;
const draft: EventDraft = {
  op: 'custodian.created',
  outcome: 'success',
  actor: systemActor,
  objects: [],
};

let db: TestDatabase;
const open: Committer[] = [];

function sealer() {
  return createEventSealer({
    node: 'test',
    boot: randomUUID(),
    organisation,
    component: 'worker',
    clock: { now: () => Date.now() as UnixMs },
    random: (n) => randomBytes(n),
  });
}

function start(options: { database?: Database; queueMax?: number; patienceMs?: number } = {}) {
  const reports: BatchReport[] = [];
  const seen: number[][] = [];
  const committer = createCommitter({
    db: options.database ?? db.database,
    sealer: sealer(),
    organisation,
    limits: options.queueMax === undefined ? {} : { queueMax: options.queueMax },
    patienceMs: options.patienceMs ?? 10_000,
    onBatch: (report) => reports.push(report),
  });
  open.push(committer);
  const kind = rowKind(false, seen);
  const exclusive = rowKind(true, seen);
  const add = (behave?: Row['behave'], using = kind) => {
    const id = randomUUID() as CustodianId;
    const row: Row = behave === undefined ? { id } : { id, behave };
    const named = behave === 'other-object' ? randomUUID() : id;
    const event = { ...draft, objects: [{ t: 'cus', id: named }] } as const;
    return committer.commit({ events: [event], parts: [part(using, row)] });
  };
  return { committer, reports, seen, add, exclusive };
}

async function stored(id: string): Promise<number> {
  const { rows } = await db.database.pool.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM custodian WHERE custodian_id = $1',
    [id],
  );
  return rows[0]!.n;
}

async function inboxIds(): Promise<string[]> {
  const { rows } = await db.database.pool.query<{ id: string }>(
    'SELECT unnest(event_ids)::text AS id FROM audit_inbox',
  );
  return rows.map(({ id }) => id);
}

beforeAll(async () => {
  db = await startTestDatabase();
  const made = { ...draft, objects: [{ t: 'org', id: organisation }] } as const;
  await withEvents(db.database, sealer(), [made], async (client, [event]) => {
    await client.query('INSERT INTO organisation (organisation_id, event_id) VALUES ($1, $2)', [
      organisation,
      event!.id,
    ]);
  });
  // A deferred trigger makes COMMIT itself slow, so that a test can act in the middle of it.
  await db.database.pool.query(`
    CREATE TABLE slow (n int);
    CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slow DEFERRABLE INITIALLY DEFERRED
      FOR EACH ROW EXECUTE FUNCTION slow_commit();`);
}, 120_000);
afterEach(async () => {
  await Promise.all(open.splice(0).map((committer) => committer.close()));
});
afterAll(() => db.drop());

describe('createCommitter', () => {
  test('puts what waits into one batch and answers each operation with its own outputs', async () => {
    const { add, reports } = start();
    const results = await Promise.all(Array.from({ length: 100 }, () => add()));
    expect(reports.length).toBeLessThanOrEqual(2);
    const inbox = new Set(await inboxIds());
    for (const { outputs, events } of results) {
      expect(await stored(outputs[0])).toBe(1);
      expect(events.every((id) => inbox.has(id))).toBe(true);
    }
    expect(new Set(results.map(({ outputs }) => outputs[0])).size).toBe(100);
  });

  test('records an event without rows in the same batches', async () => {
    const { committer, add, reports } = start();
    const [id] = await Promise.all([committer.record(draft), add(), committer.record(draft)]);
    expect(await inboxIds()).toContain(id);
    expect(reports).toHaveLength(1);
  });

  test.each(['wrong-event', 'other-object'] as const)(
    'of two operations in one batch, one with %s, that one alone fails',
    async (behave) => {
      const { add, reports } = start();
      const [good, bad] = await Promise.allSettled([add(), add(behave)]);
      expect(bad).toMatchObject({
        status: 'rejected',
        reason: { fields: { sqlState: 'PS001', table: 'custodian' } },
      });
      expect(good.status).toBe('fulfilled');
      if (good.status === 'fulfilled') expect(await stored(good.value.outputs[0])).toBe(1);
      expect(reports.map(({ operations, outcome }) => `${outcome} ${operations}`)).toEqual([
        'aborted 2',
        'committed 1',
        'aborted 1',
      ]);
    },
  );

  test('a poison member fails alone with its own error', async () => {
    const { add, reports } = start();
    const results = await Promise.allSettled([add(), add('break'), add(), add()]);
    expect(results.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect(results[1]).toMatchObject({ reason: { fields: { sqlState: '22012' } } });
    expect(reports.map(({ operations }) => operations)).toEqual([4, 1, 1, 1, 1]);
  });

  test('acknowledges nothing when COMMIT is answered by ROLLBACK', async () => {
    const { add } = start();
    const [good, bad] = await Promise.allSettled([add(), add('swallow')]);
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'store.aborted' } });
    expect(good.status).toBe('fulfilled');
    if (good.status === 'fulfilled') expect(await stored(good.value.outputs[0])).toBe(1);
  });

  test('an operation that its kind refuses fails alone; the rest is one batch again', async () => {
    const { add, reports } = start();
    const results = await Promise.allSettled([add(), add('refuse'), add()]);
    expect(results[1]).toMatchObject({ reason: { code: 'store.conflict' } });
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    expect(reports.map(({ outcome, operations }) => `${outcome} ${operations}`)).toEqual([
      'refused 3',
      'committed 2',
    ]);
  });

  test('names the numbers of failed events in an audit.void of a later batch', async () => {
    const { add } = start();
    await expect(add('refuse')).rejects.toThrow();
    await add();
    const { rows } = await db.database.pool.query<{ body: Buffer }>(
      'SELECT unnest(bodies) AS body FROM audit_inbox ORDER BY id DESC LIMIT 2',
    );
    const bodies = rows.map(
      ({ body }) => JSON.parse(body.toString()) as { op: string; f: unknown },
    );
    expect(bodies.find(({ op }) => op === 'audit.void')).toMatchObject({ f: { q: [[1, 1]] } });
  });

  test('runs a recovered operation again', async () => {
    const { committer } = start();
    let refusals = 2;
    const finished: boolean[] = [];
    const kind: PartKind<string, string> = {
      name: 'test.recover',
      stage: 1,
      locks: () => ({}),
      apply: (_tx, items) =>
        Promise.resolve(
          items.map(({ input }) => (refusals > 0 ? new PostsealError('store.conflict') : input)),
        ),
      recover: () => {
        refusals -= 1;
        return Promise.resolve(true);
      },
      finished: (_input, committed) => finished.push(committed),
    };
    const { outputs } = await committer.commit({ events: [draft], parts: [part(kind, 'x')] });
    expect(outputs).toEqual(['x']);
    expect(finished).toEqual([true]);
  });

  test('exclusive operations never share a batch', async () => {
    const { add, reports, exclusive } = start();
    await Promise.all([add(), add(), add(undefined, exclusive), add(undefined, exclusive), add()]);
    expect(reports.map(({ operations }) => operations)).toEqual([2, 1, 1, 1]);
  });

  test('COMMIT waits for ready, and a rejection fails its operation alone', async () => {
    const { committer, add } = start();
    let release = (): void => undefined;
    const ready = new Promise<void>((resolve) => (release = resolve));
    let done = false;
    const first = committer.commit({ events: [draft], parts: [], ready }).then(() => (done = true));
    await pause(100);
    expect(done).toBe(false);
    release();
    await first;
    const failing = Promise.reject(new PostsealError('home.disk-full'));
    const [bad, good] = await Promise.allSettled([
      committer.commit({ events: [draft], parts: [], ready: failing }),
      add(),
    ]);
    expect(bad).toMatchObject({ reason: { code: 'home.disk-full' } });
    expect(good.status).toBe('fulfilled');
  });

  test('locks mailboxes once each, in the order of their ids', async () => {
    await db.database.pool.query('CREATE TABLE mbx (mailbox_id uuid PRIMARY KEY, uid_next int)');
    const ids = Array.from({ length: 3 }, () => randomUUID() as MailboxId);
    await db.database.pool.query('INSERT INTO mbx SELECT unnest($1::uuid[]), 7', [ids]);
    const committer = createCommitter({
      db: db.database,
      sealer: sealer(),
      organisation,
      mailboxLock: {
        name: 'test.mbx-lock',
        text: `SELECT mailbox_id::text, uid_next FROM mbx WHERE mailbox_id = ANY ($1::uuid[])
               ORDER BY mailbox_id FOR UPDATE`,
      },
    });
    open.push(committer);
    const kind: PartKind<MailboxId, readonly string[]> = {
      name: 'test.mailbox',
      stage: 1,
      locks: (input) => ({ mailboxes: [input] }),
      apply: (tx, items) =>
        Promise.resolve(
          items.map(({ input }) => [
            ...tx.lockedMailboxes.keys(),
            String(tx.lockedMailboxes.get(input)?.['uid_next']),
          ]),
        ),
    };
    const results = await Promise.all(
      [ids[2]!, ids[0]!, ids[2]!, ids[1]!].map((id) =>
        committer.commit({ events: [draft], parts: [part(kind, id)] }),
      ),
    );
    expect(results[0]?.outputs[0]).toEqual([...ids.sort(), '7']);
  });

  test('waits while the governance lock is held exclusively; reads are not held up', async () => {
    const { committer, add } = start();
    const holder = await db.database.connect('governance');
    await holder.query('BEGIN');
    await holder.query('SELECT pg_advisory_xact_lock($1, $2)', [
      ...governanceLockKey(organisation),
    ]);
    await committer.record(draft);
    let done = false;
    const change = add().then(() => (done = true));
    await pause(200);
    expect(done).toBe(false);
    await holder.query('COMMIT');
    await change;
    await holder.end();
  });

  test('answers intake.busy above the limit', async () => {
    const { add } = start({ queueMax: 5 });
    const results = await Promise.allSettled(Array.from({ length: 8 }, () => add()));
    const busy = results.filter(({ status }) => status === 'rejected');
    expect(busy).toHaveLength(3);
    expect(busy[0]).toMatchObject({ reason: { code: 'intake.busy' } });
  });
});

describe('createCommitter when the connection is lost', () => {
  const killBackend = async (): Promise<void> => {
    await db.database.pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name LIKE '%committer' AND datname = current_database()`,
    );
  };

  const inCommit = async (): Promise<void> => {
    for (;;) {
      const { rowCount } = await db.database.pool.query(
        `SELECT FROM pg_stat_activity WHERE state = 'active' AND query = 'COMMIT'
            AND application_name LIKE '%committer' AND datname = current_database()`,
      );
      if (rowCount === 1) return;
      await pause(5);
    }
  };

  test('a backend killed in the middle of COMMIT loses and doubles nothing', async () => {
    const { add, reports } = start();
    const change = add('slow-commit');
    await inCommit();
    await killBackend();
    const { outputs, events } = await change;
    expect(await stored(outputs[0])).toBe(1);
    expect((await inboxIds()).filter((id) => id === events[0])).toHaveLength(1);
    expect(reports.map(({ outcome }) => outcome)).toEqual(['lost', 'committed']);
  });

  test('a connection cut in the middle of COMMIT is not committed a second time', async () => {
    const cut: pg.Client[] = [];
    const database: Database = {
      ...db.database,
      connect: async (name) => {
        const client = await db.database.connect(name);
        cut.push(client);
        return client;
      },
    };
    const { add, reports } = start({ database });
    const change = add('slow-commit');
    await inCommit();
    const { stream } = (cut[0] as unknown as { connection: { stream: { destroy(): void } } })
      .connection;
    stream.destroy();
    const { outputs, events } = await change;
    expect(await stored(outputs[0])).toBe(1);
    expect((await inboxIds()).filter((id) => id === events[0])).toHaveLength(1);
    expect(reports.map(({ outcome }) => outcome)).toEqual(['lost']);
  });

  test('under load with backends killed again and again every acknowledgement is true, once', async () => {
    const { add } = start();
    const acknowledged: string[] = [];
    const ids: string[] = [];
    const client = async (): Promise<void> => {
      for (let i = 0; i < 25; i += 1) {
        const { outputs, events } = await add();
        acknowledged.push(outputs[0]);
        ids.push(...events);
      }
    };
    const clients = Promise.all(Array.from({ length: 20 }, client));
    // By progress and not by time, so that a slow machine gets through as well.
    for (let kills = 0, next = 10; acknowledged.length < 480; kills += 1) {
      while (acknowledged.length < next) await pause(2);
      await killBackend();
      next = acknowledged.length + 15 + (kills % 7);
    }
    await clients;
    expect(acknowledged).toHaveLength(500);
    const { rows } = await db.database.pool.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM custodian WHERE custodian_id = ANY ($1)',
      [acknowledged],
    );
    expect(rows[0]?.n).toBe(500);
    const all = await inboxIds();
    expect(new Set(all).size).toBe(all.length);
    expect(ids.every((id) => all.includes(id))).toBe(true);
  }, 60_000);

  test('gives up with a retryable error when the server stays away', async () => {
    const database: Database = {
      ...db.database,
      connect: () => Promise.reject(new PostsealError('database.unreachable')),
    };
    const { add } = start({ database, patienceMs: 100 });
    await expect(add()).rejects.toMatchObject({ code: 'database.unreachable', retryable: true });
  });
});
