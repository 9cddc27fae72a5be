// One PostgreSQL per Jest run, started when the first test file asks. The Jest parent listens on a
// socket; test files (in whatever worker) send one JSON line and get one back. Pure suites cost nothing.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { migrations } from '../../migrations/index.ts';
import { acquireHomeLock } from '../../src/platform/home/lock.ts';
import { identifyProcess } from '../../src/platform/home/process-identity.ts';
import { migrate } from '../../src/platform/postgres/data-source.ts';
import { startEmbeddedPostgres } from '../../src/platform/postgres/embedded.ts';

/** What a test file may ask. */
export type BrokerRequest =
  | { readonly ask: 'create'; readonly migrated: boolean }
  | { readonly ask: 'drop'; readonly name: string };

export type BrokerReply =
  | { readonly name: string; readonly url: string; readonly superuserUrl: string | undefined }
  | { readonly error: string };

export interface Broker {
  readonly socket: string;
  close(): Promise<void>;
}

interface TestServer {
  /** Owner of test databases; may create databases. */
  readonly url: string;
  readonly superuserUrl: string | undefined;
  readonly template: string;
  stop(): Promise<void>;
}

const prefix = 'postseal-test-';

export async function startBroker(): Promise<Broker> {
  sweep();
  const home = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  let server: Promise<TestServer> | undefined;
  // Requests run one after the other: CREATE DATABASE wants its template to itself.
  let last: Promise<unknown> = Promise.resolve();
  const listener = createServer((connection) => {
    let line = '';
    connection.setEncoding('utf8');
    connection.on('error', () => connection.destroy());
    connection.on('data', (chunk: string) => {
      line += chunk;
      if (!line.endsWith('\n')) return;
      const request = JSON.parse(line) as BrokerRequest;
      line = '';
      server ??= startServer(home);
      const starting = server;
      last = last
        .then(async () => answer(await starting, request))
        .catch((error: unknown): BrokerReply => ({ error: describeError(error) }))
        .then((reply) => connection.end(`${JSON.stringify(reply)}\n`));
    });
  });
  const socket = join(home, 'broker.sock');
  await listen(listener, socket);
  return {
    socket,
    close: async () => {
      listener.close();
      await last;
      await (await server?.catch(() => undefined))?.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

async function startServer(home: string): Promise<TestServer> {
  const given = process.env['DATABASE_URL'];
  const lock = acquireHomeLock(home);
  const embedded =
    given === undefined
      ? await startEmbeddedPostgres({
          home,
          // A test server may lose its data in a power cut; what is durable has tests of its own.
          settings: { fsync: 'off', full_page_writes: 'off', max_connections: '200' },
        })
      : undefined;
  const url = given ?? embedded?.url ?? '';
  const template = `postseal_template_${randomBytes(4).toString('hex')}`;
  const server: TestServer = {
    url,
    superuserUrl: embedded?.superuserUrl,
    template,
    stop: async () => {
      if (embedded === undefined) await administer(url, `DROP DATABASE IF EXISTS ${template}`);
      await embedded?.stop();
      lock.release();
    },
  };
  try {
    await administer(url, `CREATE DATABASE ${template}`);
    await migrate(withDatabase(url, template), migrations);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

async function answer(server: TestServer, request: BrokerRequest): Promise<BrokerReply> {
  if (request.ask === 'drop') {
    await dropDatabase(server.superuserUrl ?? server.url, request.name);
    return { name: request.name, url: '', superuserUrl: undefined };
  }
  const name = `postseal_test_${randomBytes(6).toString('hex')}`;
  const from = request.migrated ? server.template : 'template0';
  await administer(server.url, `CREATE DATABASE ${name} TEMPLATE ${from}`);
  return {
    name,
    url: withDatabase(server.url, name),
    superuserUrl:
      server.superuserUrl === undefined ? undefined : withDatabase(server.superuserUrl, name),
  };
}

const insufficientPrivilege = '42501';
const dropTriesMax = 40;

/** Autovacuum may be at work in it: only a superuser may end that, others wait for its end. */
async function dropDatabase(url: string, name: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await administer(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      return;
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      if (code !== insufficientPrivilege || tries === dropTriesMax) throw error;
      await sleep(250);
    }
  }
}

async function administer(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
    // The listener alone must not keep Jest alive.
    server.unref();
  });
}

/** Homes of Jest runs that were killed. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = /^postseal-test-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || identifyProcess(Number(pid)) !== undefined) continue;
    rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const fields = 'fields' in error ? ` ${JSON.stringify(error.fields)}` : '';
  const cause = error.cause === undefined ? '' : ` <- ${describeError(error.cause)}`;
  return `${error.stack ?? error.message}${fields}${cause}`;
}
