import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import type { OrganisationId } from '../../src/kernel/ids.ts';
import { uuidV4 } from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import type { EventDraft } from '../../src/ledger/event/draft.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { createEventSealer } from '../../src/ledger/event/event-sealer.ts';
import { inboxInsert, readEvents, withEvents } from '../../src/ledger/event/inbox.store.ts';
import {
  hasSuperuser,
  noSuperuser,
  rolesAlwaysApply,
  rolesAreTaken,
} from '../harness/given-server.ts';
import { testIf } from '../harness/needs.ts';
import { startTestDatabase } from '../harness/postgres.ts';
import type { TestDatabase } from '../harness/postgres.ts';

const sealer = createEventSealer({
  node: 'n1',
  boot: uuidV4(randomBytes(16)),
  organisation: uuidV4(randomBytes(16)) as OrganisationId,
  component: 'test',
  clock: { now: () => Date.now() as UnixMs },
  random: (n) => randomBytes(n),
});
const about = (...ids: string[]): EventDraft => ({
  op: 'config.changed',
  outcome: 'success',
  actor: systemActor,
  objects: ids.map((id) => ({ t: 'org', id })),
});
const newId = () => uuidV4(randomBytes(16));
/** Things that the tests share, by the order in which they are made. */
const [one, two, three] = [newId(), newId(), newId()];
let db: TestDatabase;

beforeAll(async () => {
  db = await startTestDatabase();
  await db.database.pool.query(`
    CREATE TABLE thing (owner int NOT NULL, id uuid NOT NULL, v int, event_id uuid NOT NULL, PRIMARY KEY (owner, id)) PARTITION BY HASH (owner);
    CREATE TABLE thing_0 PARTITION OF thing FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE thing_1 PARTITION OF thing FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    SELECT postseal_guard('thing', 'id', 'id');
    CREATE TABLE part_of (id uuid NOT NULL, whole uuid NOT NULL);
    SELECT postseal_guard('part_of', 'id', 'whole', 'transaction');`);
});
afterAll(async () => db.drop());

const refused = expect.objectContaining({
  fields: expect.objectContaining({ sqlState: 'PS001' }) as object,
});

describe('postseal_guard', () => {
  test('two operations in one batch, one without its event: the transaction is refused', async () => {
    const [a, b] = [sealer.seal(about(one)), sealer.seal(about(two))];
    const batch = (events: (typeof a)[]) =>
      db.database.transaction(async (c) => {
        await inboxInsert(c, events);
        await c.query('INSERT INTO thing VALUES (1, $1, 0, $2), (2, $3, 0, $4)', [
          one,
          a.id,
          two,
          b.id,
        ]);
      });
    await expect(batch([a])).rejects.toEqual(refused);
    await batch([a, b]);
    expect(await readEvents(db.database.pool, [a.id, b.id])).toEqual(
      new Map([
        [a.id, a.body],
        [b.id, b.body],
      ]),
    );
  });

  test('an event of an earlier transaction does not serve again', async () => {
    const { rows } = await db.database.pool.query<{ event_id: string }>(
      'SELECT event_id FROM thing WHERE id = $1',
      [one],
    );
    const change = (sql: string) => db.database.transaction((c) => c.query(sql));
    await expect(
      change(`INSERT INTO thing VALUES (3, '${one}', 0, '${rows[0]!.event_id}')`),
    ).rejects.toEqual(refused);
    await expect(change('UPDATE thing SET v = 1')).rejects.toEqual(refused);
    await expect(change('UPDATE thing_0 SET v = 1')).rejects.toEqual(refused);
    await expect(change('DELETE FROM thing')).rejects.toEqual(refused);
    await expect(change('DELETE FROM thing_0')).rejects.toEqual(refused);
    await expect(change('TRUNCATE thing_1')).rejects.toThrow();
    await expect(
      change(`INSERT INTO thing SELECT owner, id, 5, event_id FROM thing
      ON CONFLICT (owner, id) DO UPDATE SET v = 5`),
    ).rejects.toEqual(refused);
  });

  test('an event that does not name the row is refused at every kind of statement', async () => {
    const under = (draft: EventDraft, sql: string) =>
      withEvents(db.database, sealer, [draft], (c, [event]) =>
        c.query(sql.replaceAll('$event', `'${event!.id}'`)),
      );
    const insert = `INSERT INTO thing VALUES (4, '${three}', 0, $event)`;
    const update = `UPDATE thing SET v = 7, event_id = $event WHERE id = '${two}'`;
    const upsert = `INSERT INTO thing SELECT owner, id, 5, $event FROM thing WHERE id = '${two}'
      ON CONFLICT (owner, id) DO UPDATE SET v = 5, event_id = $event`;
    for (const sql of [insert, update, upsert, update.replace('thing', 'thing_0')]) {
      await expect(under(about(one), sql)).rejects.toEqual(refused);
      await expect(under(about(), sql)).rejects.toEqual(refused);
    }
    // Every row must be named, not only one of them.
    const both = 'UPDATE thing SET v = 7, event_id = $event';
    await expect(under(about(one), both)).rejects.toEqual(refused);
    await under(about(one, two), both);
    await under(about(two), update);
    await under(about(two), upsert);
  });

  test('the event of another row of the same transaction does not serve', async () => {
    const crossed = withEvents(db.database, sealer, [about(one), about(two)], (c, [ofOne, ofTwo]) =>
      c.query(
        'UPDATE thing SET event_id = CASE id WHEN $1 THEN $3::uuid ELSE $2::uuid END WHERE id IN ($1, $4)',
        [one, ofOne!.id, ofTwo!.id, two],
      ),
    );
    await expect(crossed).rejects.toEqual(refused);
  });

  test('rows without an event of their own are named by some event of the transaction', async () => {
    const [id, whole] = [newId(), newId()];
    const under = (named: string | undefined, sql: string, values: string[]) =>
      withEvents(
        db.database,
        sealer,
        [about(newId()), about(...(named === undefined ? [] : [named]))],
        (c) => c.query(sql, values),
      );
    const insert = 'INSERT INTO part_of VALUES ($1, $2)';
    await expect(db.database.transaction((c) => c.query(insert, [id, whole]))).rejects.toEqual(
      refused,
    );
    await expect(under(whole, insert, [id, whole])).rejects.toEqual(refused);
    await under(id, insert, [id, whole]);
    for (const sql of [
      'UPDATE part_of SET id = id WHERE id = $1',
      'DELETE FROM part_of WHERE id = $1',
    ]) {
      await expect(under(undefined, sql, [id])).rejects.toEqual(refused);
      await expect(under(id, sql, [id])).rejects.toEqual(refused);
      await under(whole, sql, [id]);
    }
  });

  test('asks for columns that can name a row', async () => {
    await db.database.pool.query('CREATE TABLE loose (id uuid, event_id uuid NOT NULL)');
    await expect(
      db.database.pool.query("SELECT postseal_guard('loose', 'id', 'id')"),
    ).rejects.toThrow('needs id uuid NOT NULL');
  });

  test('a deletion first gives its event to the rows that go', async () => {
    await withEvents(db.database, sealer, [about(one)], async (c, [event]) => {
      await c.query('UPDATE thing SET event_id = $1 WHERE id = $2', [event!.id, one]);
      await c.query('DELETE FROM thing WHERE id = $1', [one]);
    });
    const { rows } = await db.database.pool.query('SELECT id FROM thing');
    expect(rows).toEqual([{ id: two }]);
  });

  test('withEvents voids the numbers of what it rolled back', async () => {
    const fails = withEvents(db.database, sealer, [about()], () => Promise.reject(new Error('no')));
    await expect(fails).rejects.toThrow();
    const [note] = sealer.takeVoids();
    expect(note?.body.toString()).toContain('"op":"audit.void"');
  });

  test('checking 200,000 rows of one event costs little beside writing them', async () => {
    await db.database.pool.query('CREATE TABLE bare (id int, of uuid, event_id uuid NOT NULL)');
    await db.database.pool.query(
      "CREATE TABLE watched (id int, of uuid NOT NULL, event_id uuid NOT NULL); SELECT postseal_guard('watched', 'of', 'of')",
    );
    const fill = async (table: string) => {
      const started = performance.now();
      await withEvents(db.database, sealer, [about(one)], async (c, [event]) => {
        await c.query(`INSERT INTO ${table} SELECT i, $2, $1 FROM generate_series(1, 200000) i`, [
          event!.id,
          one,
        ]);
      });
      return performance.now() - started;
    };
    const bare = await fill('bare');
    const watched = await fill('watched');
    process.stderr.write(
      `200,000 rows: bare ${bare.toFixed(0)} ms, guarded ${watched.toFixed(0)} ms\n`,
    );
    expect(watched).toBeLessThan(bare * 5 + 500);
  });
});

describe('roles of migration 0001', () => {
  const as = async (role: string | undefined, sql: string) => {
    const client = await db.database.connect('roles');
    try {
      if (role !== undefined) await client.query(`SET ROLE ${role}`);
      return await client.query(sql);
    } finally {
      await client.end();
    }
  };
  testIf(
    rolesAreTaken,
    rolesAlwaysApply,
    'the login of the server cannot change what is recorded',
    async () => {
      for (const sql of [
        'DELETE FROM audit_inbox',
        'UPDATE audit_inbox SET at = now()',
        'TRUNCATE audit_inbox',
        "INSERT INTO audit_inbox (xid, event_ids, bodies, objects, object_events) VALUES ('1', '{}', '{}', '{}', '{}')",
        'UPDATE audit_log SET body = NULL',
        'DELETE FROM audit_log',
        'TRUNCATE audit_log_000000',
        'UPDATE audit_head SET size = 0',
        'ALTER TABLE audit_log DISABLE TRIGGER ALL',
      ]) {
        await expect(as(undefined, sql)).rejects.toThrow();
      }
    },
  );

  test('not even the owner of the log rewrites it', async () => {
    for (const sql of [
      'UPDATE audit_log SET body = NULL',
      'DELETE FROM audit_log_000000',
      'TRUNCATE audit_log_000000',
    ]) {
      await expect(as('postseal_audit_owner', sql)).rejects.toThrow('never allowed');
    }
  });

  testIf(hasSuperuser, noSuperuser, 'nor does a session that plays a replica', async () => {
    const root = new pg.Client({ connectionString: db.superuserUrl });
    await root.connect();
    try {
      await root.query('SET session_replication_role = replica');
      await expect(root.query('DELETE FROM audit_log')).rejects.toThrow('never allowed');
    } finally {
      await root.end();
    }
  });

  test('partitions are made ahead, once', async () => {
    for (let i = 0; i < 2; i += 1) {
      const { rows } = await as(
        'postseal_sequencer',
        'SELECT postseal_audit_partition(1048576) AS upto',
      );
      expect(rows).toEqual([{ upto: '2097152' }]);
    }
    const { rows } = await as(
      'postseal_audit_owner',
      "SELECT relid::text FROM pg_partition_tree('audit_log') WHERE isleaf ORDER BY 1",
    );
    expect(rows).toEqual([{ relid: 'audit_log_000000' }, { relid: 'audit_log_000001' }]);
    await expect(as('postseal_audit_owner', 'TRUNCATE audit_log_000001')).rejects.toThrow(
      'never allowed',
    );
  });
});
