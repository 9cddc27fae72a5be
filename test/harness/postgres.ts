// A real PostgreSQL database for one test file: a copy of the migrated template, or an empty one.
// The server is shared by the whole Jest run; DATABASE_URL (a login with CREATEDB and CREATEROLE) replaces it.
import { connect } from 'node:net';
import { openDatabase } from '../../src/platform/postgres/database.ts';
import type { Database } from '../../src/platform/postgres/database.ts';
import type { BrokerReply, BrokerRequest } from './broker.ts';

export interface TestDatabase {
  readonly name: string;
  /** Connects as the owner (role `postseal` of the embedded server). */
  readonly url: string;
  /** Connects as superuser; undefined on a server given by DATABASE_URL. */
  readonly superuserUrl: string | undefined;
  readonly database: Database;
  /** Closes `database` and drops it, whoever is still connected. Call it in afterAll. */
  drop(): Promise<void>;
}

/** Call it in beforeAll, once a file; `migrated: false` gives an empty database. */
export async function startTestDatabase(
  options: { readonly migrated?: boolean; readonly poolMax?: number } = {},
): Promise<TestDatabase> {
  const made = await ask({ ask: 'create', migrated: options.migrated ?? true });
  const database = await openDatabase({ url: made.url, poolMax: options.poolMax ?? 6 });
  return {
    ...made,
    database,
    drop: async () => {
      await database.close();
      await ask({ ask: 'drop', name: made.name });
    },
  };
}

function ask(request: BrokerRequest): Promise<Exclude<BrokerReply, { error: string }>> {
  const socket = process.env['POSTSEAL_TEST_BROKER'];
  if (socket === undefined)
    throw new Error('run under Jest: its globalSetup opens the test server');
  return new Promise((resolve, reject) => {
    let text = '';
    const connection = connect(socket, () => connection.write(`${JSON.stringify(request)}\n`));
    connection.setEncoding('utf8');
    connection.on('error', reject);
    connection.on('data', (chunk: string) => (text += chunk));
    connection.on('end', () => {
      const reply = JSON.parse(text) as BrokerReply;
      if ('error' in reply) reject(new Error(`the test server failed: ${reply.error}`));
      else resolve(reply);
    });
  });
}
