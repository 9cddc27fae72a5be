// Named prepared statements: parsed once a connection and then only bound, which is what the measured
// paths live on (docs/performance.md).
// Buffers go as binary parameters. Results come as text (the driver reads every field as UTF-8), so
// bytea travels back as hex; a statement that returns much of it should return one long value.
import type pg from 'pg';
import { mapPostgresError } from './postgres-errors.ts';

/** What one parameter may be; arrays for UNNEST go through binary-arrays.ts. */
export type SqlValue = string | number | bigint | boolean | Date | Uint8Array | null;

export interface Statement<Row> {
  readonly name: string;
  rows(client: Queryable, values?: readonly SqlValue[]): Promise<Row[]>;
  /** The only row, or undefined when there is none. */
  first(client: Queryable, values?: readonly SqlValue[]): Promise<Row | undefined>;
  /** Number of rows touched. */
  run(client: Queryable, values?: readonly SqlValue[]): Promise<number>;
}

export type Queryable = pg.ClientBase | pg.Pool;

/**
 * Prepares lazily, once a connection, under `name`, which must be unique in the program.
 * Errors are mapped by `mapPostgresError`.
 */
export function statement<Row extends pg.QueryResultRow>(
  name: string,
  text: string,
): Statement<Row> {
  const query = async (client: Queryable, values: readonly SqlValue[]) => {
    try {
      return await client.query<Row>({ name, text, values: values.map(toParameter) });
    } catch (error) {
      throw mapPostgresError(error, { statement: name });
    }
  };
  return {
    name,
    rows: async (client, values = []) => (await query(client, values)).rows,
    first: async (client, values = []) => (await query(client, values)).rows[0],
    run: async (client, values = []) => (await query(client, values)).rowCount ?? 0,
  };
}

/** A Uint8Array that is no Buffer would be sent as JSON. */
function toParameter(value: SqlValue): unknown {
  if (value instanceof Uint8Array && !Buffer.isBuffer(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  return value;
}
