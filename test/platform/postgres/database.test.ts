// The database seam on a real server: transactions, prepared statements, binary arrays, migrations.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { EntitySchema, EntitySchemaOptions } from 'typeorm';
import { PostsealError } from '../../../src/kernel/errors.ts';
import {
  boolArray,
  byteaArray,
  int4Array,
  int8Array,
  textArray,
  timestamptzArray,
  uuidArray,
} from '../../../src/platform/postgres/binary-arrays.ts';
import {
  hasPendingMigrations,
  migrate,
  openDataSource,
} from '../../../src/platform/postgres/data-source.ts';
import { openDatabase, transactionOn } from '../../../src/platform/postgres/database.ts';
import { mapPostgresError, sqlStateOf } from '../../../src/platform/postgres/postgres-errors.ts';
import { statement } from '../../../src/platform/postgres/statement.ts';
import { startTestDatabase } from '../../harness/postgres.ts';
import type { TestDatabase } from '../../harness/postgres.ts';

let given: TestDatabase;
beforeAll(async () => {
  given = await startTestDatabase({ migrated: false });
  await given.database.pool.query('CREATE TABLE fact (id int PRIMARY KEY, note text)');
});
afterAll(() => given.drop());

const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
  } catch (error) {
    return error instanceof PostsealError ? error.code : `not ours: ${String(error)}`;
  }
  return 'no error';
};

describe('transaction', () => {
  test('commits what the callback did and gives its result', async () => {
    const result = await given.database.transaction(async (client) => {
      await client.query('INSERT INTO fact VALUES (1)');
      return 'kept';
    });
    expect(result).toBe('kept');
    const { rows } = await given.database.pool.query('SELECT id FROM fact WHERE id = 1');
    expect(rows).toEqual([{ id: 1 }]);
  });

  test('rolls back and maps a unique violation to store.conflict without the value', async () => {
    let caught: unknown;
    await given.database
      .transaction(async (client) => {
        await client.query("INSERT INTO fact VALUES (2, 'lost')");
        await client.query("INSERT INTO fact VALUES (1, 'canary-value')");
      })
      .catch((error: unknown) => (caught = error));
    expect(caught).toBeInstanceOf(PostsealError);
    const error = caught as PostsealError;
    expect(error.code).toBe('store.conflict');
    expect(error.fields).toEqual({ sqlState: '23505', constraint: 'fact_pkey', table: 'fact' });
    const { rowCount } = await given.database.pool.query('SELECT 1 FROM fact WHERE id = 2');
    expect(rowCount).toBe(0);
  });

  test('refuses a COMMIT that the server answered with ROLLBACK', async () => {
    const swallowing = given.database.transaction(async (client) => {
      await client.query('INSERT INTO fact VALUES (3)');
      await client.query('SELECT 1/0').catch(() => undefined);
    });
    expect(await codeOf(swallowing)).toBe('store.aborted');
    const { rowCount } = await given.database.pool.query('SELECT 1 FROM fact WHERE id = 3');
    expect(rowCount).toBe(0);
  });

  test('says database.unreachable when the connection is cut inside, and works again after', async () => {
    const cut = given.database.transaction(async (client) => {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      const other = await given.database.connect('killer');
      await other.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
      await other.end();
      await client.query('SELECT 1');
    });
    expect(await codeOf(cut)).toBe('database.unreachable');
    expect(await given.database.transaction(() => Promise.resolve('again'))).toBe('again');
  });

  test('runs on a dedicated connection that bears its name', async () => {
    const client = await given.database.connect('committer');
    const name = await transactionOn(client, async (inside) => {
      const { rows } = await inside.query<{ name: string }>(
        "SELECT current_setting('application_name') AS name",
      );
      return rows[0]?.name;
    });
    await client.end();
    expect(name).toBe('postseal committer');
  });
});

describe('openDatabase', () => {
  test('says database.unreachable when nobody listens or the password is wrong', async () => {
    const nobody = 'postgresql://a:b@127.0.0.1:1/none';
    expect(await codeOf(openDatabase({ url: nobody, poolMax: 1 }))).toBe('database.unreachable');
    const wrong = new URL(given.url);
    wrong.password = 'wrong';
    expect(await codeOf(openDatabase({ url: wrong.href, poolMax: 1 }))).toBe(
      'database.unreachable',
    );
  });
});

describe('statement', () => {
  test('prepares once, sends and receives raw bytes', async () => {
    const echo = statement<{ bytes: Buffer; n: number }>(
      'test-echo',
      'SELECT $1::bytea AS bytes, length($1::bytea) AS n',
    );
    const bytes = Uint8Array.from({ length: 256 }, (_none, index) => index);
    const row = await echo.first(given.database.pool, [bytes]);
    expect(row?.n).toBe(256);
    expect(Buffer.compare(row?.bytes ?? Buffer.alloc(0), bytes)).toBe(0);
    const client = await given.database.connect('prepared');
    await echo.rows(client, [bytes]);
    await echo.rows(client, [bytes]);
    const { rows } = await client.query(
      "SELECT generic_plans + custom_plans AS runs FROM pg_prepared_statements WHERE name = 'test-echo'",
    );
    await client.end();
    expect(rows).toEqual([{ runs: '2' }]);
  });

  test('names the statement in a mapped error', async () => {
    const wrong = statement('test-wrong', 'SELECT * FROM no_such_table');
    const error = await wrong.rows(given.database.pool).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'internal', fields: { statement: 'test-wrong' } });
    expect(sqlStateOf(error)).toBe('42P01');
  });
});

describe('binary arrays', () => {
  test('arrive element by element through UNNEST, nulls and empty ones included', async () => {
    const { rows } = await given.database.pool.query(
      `SELECT * FROM UNNEST($1::bytea[], $2::int8[], $3::int4[], $4::text[], $5::uuid[], $6::boolean[], $7::timestamptz[])
         AS t(b, i8, i4, t, u, f, at)`,
      [
        byteaArray([Buffer.from([0, 255]), Buffer.alloc(0), null]),
        int8Array([-1, 9_007_199_254_740_991n, null]),
        int4Array([1, -2_147_483_648, null]),
        textArray(['汉字 🙂', '', null]),
        uuidArray(['00112233-4455-6677-8899-aabbccddeeff', null, null]),
        boolArray([true, false, null]),
        timestamptzArray([0, 1_763_942_400_123, null]),
      ],
    );
    expect(rows).toEqual([
      {
        b: Buffer.from([0, 255]),
        i8: '-1',
        i4: 1,
        t: '汉字 🙂',
        u: '00112233-4455-6677-8899-aabbccddeeff',
        f: true,
        at: new Date(0),
      },
      {
        b: Buffer.alloc(0),
        i8: '9007199254740991',
        i4: -2_147_483_648,
        t: '',
        u: null,
        f: false,
        at: new Date(1_763_942_400_123),
      },
      { b: null, i8: null, i4: null, t: null, u: null, f: null, at: null },
    ]);
    const empty = await given.database.pool.query('SELECT * FROM UNNEST($1::bytea[])', [
      byteaArray([]),
    ]);
    expect(empty.rowCount).toBe(0);
  });
});

class MakePlace implements MigrationInterface {
  readonly name = 'MakePlace1763942400091';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE place (id int PRIMARY KEY, name text NOT NULL)');
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE place');
  }
}
class FailHalfway implements MigrationInterface {
  readonly name = 'FailHalfway1763942400092';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE half (id int)');
    await runner.query('SELECT 1/0');
  }
  async down(): Promise<void> {
    // Nothing was made.
  }
}

describe('migrate', () => {
  test('two nodes that start together run each migration once', async () => {
    const [one, two] = await Promise.all([
      migrate(given.url, [MakePlace]),
      migrate(given.url, [MakePlace]),
    ]);
    expect([...one, ...two]).toEqual(['MakePlace1763942400091']);
    expect(await hasPendingMigrations(given.url, [MakePlace])).toBe(false);
    expect(await hasPendingMigrations(given.url, [MakePlace, FailHalfway])).toBe(true);
  });

  test('a failing one leaves nothing behind and is named', async () => {
    expect(await codeOf(migrate(given.url, [MakePlace, FailHalfway]))).toBe('database.migration');
    const { rows } = await given.database.pool.query("SELECT to_regclass('half') AS half");
    expect(rows).toEqual([{ half: null }]);
  });

  test('an EntitySchema reads and writes the migrated table', async () => {
    interface Place {
      id: number;
      name: string;
    }
    const options = Object.assign(new EntitySchemaOptions<Place>(), {
      name: 'place',
      columns: { id: { type: Number, primary: true }, name: { type: String } },
    });
    const place = new EntitySchema(options);
    const source = await openDataSource({ url: given.url, entities: [place] });
    await source.getRepository(place).save({ id: 7, name: 'here' });
    const found = await source.getRepository(place).findOneBy({ id: 7 });
    await source.destroy();
    expect(found).toEqual({ id: 7, name: 'here' });
  });
});

describe('mapPostgresError', () => {
  test('maps by SQLSTATE, by errno and through wrappers, and leaves our own alone', () => {
    const cases: readonly (readonly [unknown, string])[] = [
      [{ code: '40001' }, 'store.aborted'],
      [{ code: '53100' }, 'home.disk-full'],
      [{ code: '57P01' }, 'database.unreachable'],
      [{ driverError: { code: 'ECONNREFUSED' } }, 'database.unreachable'],
      [{ errors: [{ code: 'ECONNREFUSED' }] }, 'database.unreachable'],
      [{ code: '42601' }, 'internal'],
      ['text', 'internal'],
    ];
    for (const [thrown, code] of cases) expect(mapPostgresError(thrown).code).toBe(code);
    const own = new PostsealError('usage');
    expect(mapPostgresError(own)).toBe(own);
  });
});
