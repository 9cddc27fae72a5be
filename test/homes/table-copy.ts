// The rows of a home's database as files and back: COPY text, gzip, one file a table. Portable between
// machines and PostgreSQL versions, which a data folder is not. Works as superuser on a database that
// nobody else uses.
import { createReadStream, createWriteStream, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import pg from 'pg';
import { from, to } from 'pg-copy-streams';
import type { Manifest, StoredTable } from './manifest.ts';

type Stored = Pick<Manifest, 'migrations' | 'tables' | 'sequences'>;

/** Made again by the migrations. */
const notStored = ['schema_migration'];

export function tableFile(folder: string, table: string): string {
  return join(folder, 'database', `${table}.copy.gz`);
}

async function connected<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function column(client: pg.Client, sql: string, values: unknown[] = []): Promise<string[]> {
  const { rows } = await client.query<string[]>({ text: sql, values, rowMode: 'array' });
  return rows.map(([value]) => String(value));
}

const tablesSql = `
  SELECT relname FROM pg_class
   WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
   ORDER BY relname`;
const waitingSql = `
  SELECT convert_from(body, 'UTF8')::json ->> 'op' FROM audit_inbox, unnest(bodies) AS body`;
const columnsSql = `
  SELECT attname FROM pg_attribute
   WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
   ORDER BY attnum`;

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');

/**
 * Names of the events that the sequencer has not taken. They name transactions of this cluster, which
 * mean nothing in another one, so a home is stored without any.
 */
export function eventsWaiting(url: string): Promise<string[]> {
  return connected(url, (client) => column(client, waitingSql));
}

/** Writes every table that has rows below `folder`; tables of libraries (other schemas) are not stored. */
export function storeTables(url: string, folder: string): Promise<Stored> {
  return connected(url, async (client) => {
    mkdirSync(join(folder, 'database'), { recursive: true });
    const names = await column(client, tablesSql);
    const tables: StoredTable[] = [];
    for (const name of names.filter((table) => !notStored.includes(table))) {
      const columns = await column(client, columnsSql, [`public."${name}"`]);
      const [rows = '0'] = await column(client, `SELECT count(*) FROM public."${name}"`);
      tables.push({ name, columns, rows: Number(rows) });
      if (rows === '0') continue;
      // Sorted, so that two stores of one database are the same bytes.
      const select = `SELECT ${quoted(columns)} FROM public."${name}" ORDER BY ${columns.map((_, at) => at + 1).join(', ')}`;
      const lines = await text(client.query(to(`COPY (${select}) TO STDOUT`)));
      await pipeline(
        Readable.from([lines]),
        createGzip({ level: 9 }),
        createWriteStream(tableFile(folder, name)),
      );
    }
    const { rows: sequences } = await client.query<{ name: string; value: string }>(
      `SELECT sequencename AS name, last_value::text AS value FROM pg_sequences
        WHERE schemaname = 'public' AND sequencename NOT LIKE 'schema_migration%'
          AND last_value IS NOT NULL ORDER BY 1`,
    );
    const migrations = await column(client, 'SELECT name FROM schema_migration ORDER BY id');
    return { migrations, tables, sequences };
  });
}

interface Trigger {
  readonly name: string;
  readonly target: string;
  readonly enabled: string;
}

/** Triggers of our own on ordinary and partitioned tables; those of foreign keys are internal. */
const triggersSql = `
  SELECT quote_ident(tgname) AS name, tgrelid::regclass::text AS target, tgenabled AS enabled
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
   WHERE relnamespace = 'public'::regnamespace AND NOT tgisinternal
   ORDER BY 2, 1`;

const enabledAs: Readonly<Record<string, string>> = {
  O: 'ENABLE TRIGGER',
  A: 'ENABLE ALWAYS TRIGGER',
  R: 'ENABLE REPLICA TRIGGER',
};

/** Fills a database that has just the migrations of the manifest. Everything or nothing. */
export function loadTables(url: string, folder: string, stored: Stored): Promise<void> {
  return connected(url, async (client) => {
    await client.query('BEGIN');
    // The load is older than every event, so "no audit, no commit" cannot hold for it; foreign keys
    // would ask for an order of the tables.
    await client.query("SET LOCAL session_replication_role = 'replica'");
    const { rows: triggers } = await client.query<Trigger>(triggersSql);
    for (const { name, target } of triggers) {
      await client.query(`ALTER TABLE ${target} DISABLE TRIGGER ${name}`);
    }
    for (const { name, columns, rows } of stored.tables) {
      // A migration may have put first rows in.
      await client.query(`DELETE FROM public."${name}"`);
      if (rows === 0) continue;
      const sink = client.query(from(`COPY public."${name}" (${quoted(columns)}) FROM STDIN`));
      await pipeline(createReadStream(tableFile(folder, name)), createGunzip(), sink);
    }
    for (const { name, value } of stored.sequences) {
      await client.query('SELECT setval($1::regclass, $2)', [`public."${name}"`, value]);
    }
    for (const { name, target, enabled } of triggers) {
      const as = enabledAs[enabled];
      if (as !== undefined) await client.query(`ALTER TABLE ${target} ${as} ${name}`);
    }
    const { rows: after } = await client.query<Trigger>(triggersSql);
    if (JSON.stringify(after) !== JSON.stringify(triggers)) throw new Error('triggers stay off');
    await client.query('COMMIT');
  });
}
