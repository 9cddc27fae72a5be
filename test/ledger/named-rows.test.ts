// Which tables the guard knows, and by what their rows are named: against docs/formats/ledger.md, and
// against what the tables hold.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { migrations } from '../../migrations/index.ts';
import { inboxNames } from '../../src/ledger/event/inbox-names.ts';
import { migrate } from '../../src/platform/postgres/data-source.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { openLedgerFixture, newSealer, someDraft } from './ledger-fixture.ts';

interface Guard {
  readonly table: string;
  readonly action: string;
  readonly by: string;
  readonly enabled: string;
}

const parents = `c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')`;

describe('the guarded tables', () => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await startTestDatabase();
  });
  afterAll(() => db.drop());

  const column = async (sql: string): Promise<string[]> => {
    const { rows } = await db.database.pool.query<{ name: string }>(sql);
    return rows.map(({ name }) => name);
  };
  /** Triggers of tables and of their partitions, one for each kind of statement. */
  const guards = async (partitions: boolean): Promise<Guard[]> => {
    const { rows } = await db.database.pool.query<Guard>(
      `SELECT coalesce(i.inhparent, t.tgrelid)::regclass::text AS table, replace(t.tgname, 'postseal_guard_', '') AS action,
              regexp_replace(p.proname, '^postseal_(row|transaction)_event_names_', '\\1 ') AS by, t.tgenabled AS enabled
         FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid LEFT JOIN pg_inherits i ON i.inhrelid = t.tgrelid
        WHERE t.tgname LIKE 'postseal_guard_%' AND (i.inhparent IS NOT NULL) = $1 ORDER BY 1, 2`,
      [partitions],
    );
    return rows;
  };

  test('are named by the columns that docs/formats/ledger.md lists', async () => {
    const page = readFileSync(join(import.meta.dirname, '../../docs/formats/ledger.md'), 'utf8');
    const listed = new Map<string, string>();
    for (const line of page.split('\n')) {
      const [tables, insert, change, kind] = line.split('|').slice(1, -1);
      if (kind === undefined || !/^ (row|transaction) +$/.test(kind)) continue;
      for (const [, table] of tables?.matchAll(/`(\w+)`/g) ?? []) {
        const by = (text = ''): string => `${kind.trim()} ${/`(\w+)`/.exec(text)?.[1] ?? text}`;
        listed.set(String(table), [by(insert), by(change)].join());
      }
    }
    const found = new Map<string, string>();
    for (const { table, action, by } of await guards(false)) {
      const [insert = '', change = ''] = (found.get(table) ?? '').split(',');
      if (action === 'insert') found.set(table, [by, change].join());
      if (action === 'update')
        found.set(table, [insert, by.replace('old_holder', 'holder_id')].join());
    }
    expect(found.size).toBeGreaterThan(20);
    expect(Object.fromEntries(found)).toEqual(Object.fromEntries(listed));
  });

  test('are guarded at every statement, by name or by partition, whatever role a session plays', async () => {
    const kinds = new Map<string, Set<string>>();
    for (const guard of [...(await guards(false)), ...(await guards(true))]) {
      expect(guard).toMatchObject({ enabled: 'A' });
      kinds.set(guard.table, (kinds.get(guard.table) ?? new Set()).add(guard.action));
    }
    for (const [table, actions] of kinds) {
      expect([table, [...actions].sort()]).toEqual([
        table,
        ['delete', 'insert', 'truncate', 'update'],
      ]);
    }
    const bare = await column(
      `SELECT i.inhrelid::regclass::text AS name FROM pg_inherits i
        WHERE EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = i.inhparent AND t.tgname = 'postseal_guard_insert')
          AND (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = i.inhrelid AND t.tgname LIKE 'postseal_guard_%') <> 4`,
    );
    expect(bare).toEqual([]);
  });

  test('are all that have an event, and all that hold wrapped keys or sealed pages', async () => {
    const guarded = new Set((await guards(false)).map(({ table }) => table));
    const withEvent = await column(
      `SELECT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE ${parents} AND NOT c.relispartition AND a.attname = 'event_id' AND c.relname NOT LIKE 'audit\\_%'`,
    );
    const withSecrets = await column(
      `SELECT DISTINCT c.relname AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE ${parents} AND NOT c.relispartition AND a.atttypid = 'bytea'::regtype
          AND (a.attname LIKE '%wrap%' OR a.attname IN ('cell', 'page', 'sealed'))`,
    );
    expect(withEvent).toContain('record');
    expect(withSecrets).toContain('metadata_page');
    const open = [...withEvent, ...withSecrets].filter((table) => !guarded.has(table)).sort();
    // Written beside the event that they belong to, before or with it: docs/formats/ledger.md.
    expect(open).toEqual(['audit_side', 'audit_subject']);
  });
});

describe('migration 0009', () => {
  test('says of events that an earlier version left in the inbox what they name', async () => {
    const db = await startTestDatabase({ migrated: false });
    try {
      await migrate(db.url, migrations.slice(0, 8));
      const sealer = newSealer('test');
      const many = Array.from({ length: 7 }, (_, i) => sealer.seal(someDraft(i)));
      const batches = [
        many,
        [sealer.seal({ ...someDraft(1), objects: [] })],
        [
          sealer.seal({
            ...someDraft(2),
            objects: [{ t: 'log', id: 'head' }, ...someDraft(2).objects],
          }),
        ],
      ];
      for (const events of batches) {
        await db.database.pool.query(
          'INSERT INTO audit_inbox (event_ids, bodies) VALUES ($1, $2)',
          [events.map(({ id }) => id), events.map(({ body }) => body)],
        );
      }
      await migrate(db.url, migrations);
      const { rows } = await db.database.pool.query<{ objects: string[]; events: number[] }>(
        'SELECT objects, object_events AS events FROM audit_inbox ORDER BY id',
      );
      expect(rows).toEqual(batches.map((events) => inboxNames(events.map(({ names }) => names))));
      const ledger = await openLedgerFixture(db.database);
      const sequencer = ledger.sequencer();
      sequencer.start();
      await sequencer.publish();
      await sequencer.stop();
      expect(await ledger.verify()).toMatchObject({ findings: [] });
    } finally {
      await db.drop();
    }
  });

  test('leaves to the sequencer what is no leaf', async () => {
    const db = await startTestDatabase({ migrated: false });
    try {
      await migrate(db.url, migrations.slice(0, 8));
      for (const body of ['{}', 'no JSON', '[1]', '{"obj": 7}', '{"obj": [{"id": "\\u0000"}]}']) {
        await db.database.pool.query(
          'INSERT INTO audit_inbox (event_ids, bodies) VALUES ($1, $2)',
          [['00000000-0000-4000-8000-000000000001'], [Buffer.from(body)]],
        );
      }
      await migrate(db.url, migrations);
      const { rows } = await db.database.pool.query(
        'SELECT objects, object_events AS events FROM audit_inbox',
      );
      expect(rows).toEqual(Array.from({ length: 5 }, () => ({ objects: [], events: [] })));
      const ledger = await openLedgerFixture(db.database);
      const sequencer = ledger.sequencer();
      sequencer.start();
      await expect(sequencer.publish()).rejects.toMatchObject({ code: 'integrity.ledger' });
      await sequencer.stop();
    } finally {
      await db.drop();
    }
  });
});
