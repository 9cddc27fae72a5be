// The files of the embedded PostgreSQL in a home: $HOME/postgres/{data,credentials.json,postseal.conf}.
// initdb works in a folder of another name that is renamed at the end, so a torn first start repeats.
import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';
import type { PostgresBinaries } from './binaries.ts';
import { ownFolder } from './launcher.ts';
import type { Launcher } from './launcher.ts';

export interface ClusterFiles {
  readonly folder: string;
  readonly data: string;
  readonly credentials: string;
  readonly settings: string;
  readonly log: string;
}

export interface ClusterCredentials {
  /** Password of the superuser `postgres`, used to create the database and nothing else. */
  readonly superuser: string;
  /** Password of the role `postseal`, which owns the database. */
  readonly application: string;
}

export function clusterFiles(home: string): ClusterFiles {
  const folder = join(home, 'postgres');
  return {
    folder,
    data: join(folder, 'data'),
    credentials: join(folder, 'credentials.json'),
    settings: join(folder, 'postseal.conf'),
    log: join(home, 'log', 'postgres.log'),
  };
}

/** Reads the passwords of the cluster, or makes them (mode 0600). */
export function readCredentials(files: ClusterFiles): ClusterCredentials {
  if (existsSync(files.credentials)) {
    const value: unknown = JSON.parse(readFileSync(files.credentials, 'utf8'));
    const { superuser, application } = value as Partial<ClusterCredentials>;
    if (typeof superuser === 'string' && typeof application === 'string') {
      return { superuser, application };
    }
    throw new PostsealError('database.embedded-failed', { path: files.credentials });
  }
  const made = {
    superuser: randomBytes(24).toString('base64url'),
    application: randomBytes(24).toString('base64url'),
  };
  writeFileSync(files.credentials, `${JSON.stringify(made)}\n`, { mode: 0o600, flag: 'wx' });
  return made;
}

/**
 * Makes the cluster unless it exists: checksums on, SCRAM for every connection, UTF-8 with the C.UTF-8
 * order that every platform shares.
 * @returns whether it was made now.
 */
export async function ensureCluster(
  files: ClusterFiles,
  binaries: PostgresBinaries,
  launcher: Launcher,
): Promise<boolean> {
  if (existsSync(join(files.data, 'PG_VERSION'))) {
    ownFolder(launcher, files.data);
    return false;
  }
  const draft = `${files.data}.new`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { mode: 0o700 });
  ownFolder(launcher, draft);
  const passwordFile = join(files.folder, 'initdb.password');
  writeFileSync(passwordFile, `${readCredentials(files).superuser}\n`, { mode: 0o600 });
  try {
    await run(
      [...launcher.prefix, binaries.initdb, ...initdbArguments(draft, passwordFile)],
      binaries.libraryFolder,
    );
    renameSync(draft, files.data);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  return true;
}

function initdbArguments(data: string, passwordFile: string): string[] {
  return [
    `--pgdata=${data}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--data-checksums',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--no-instructions',
  ];
}

/** What the server of a home is told; `more` wins (the tests' server needs no sync, for instance). */
export function writeSettings(
  files: ClusterFiles,
  socketFolder: string,
  more: Readonly<Record<string, string>>,
): void {
  const settings = { ...baseSettings, unix_socket_directories: socketFolder, ...more };
  const lines = Object.entries(settings).map(
    ([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`,
  );
  const head = '# Written at every start. Own settings belong into local.conf beside this file.';
  // Named only where it exists: PostgreSQL logs a line for every file that it skips.
  const own = existsSync(join(files.folder, 'local.conf')) ? ["include 'local.conf'"] : [];
  // initdb's own file comes first: it holds what it found out about this machine, such as the kind of
  // shared memory that works.
  const found = `include '${join(files.data, 'postgresql.conf').replaceAll("'", "''")}'`;
  writeFileSync(files.settings, `${[head, found, ...lines, ...own].join('\n')}\n`);
}

const baseSettings: Readonly<Record<string, string>> = {
  listen_addresses: '',
  port: '5432',
  unix_socket_permissions: '0700',
  max_connections: '60',
  password_encryption: 'scram-sha-256',
  // The bundled OpenSSL is 1.1; nothing leaves the machine, so it is never used.
  ssl: 'off',
  shared_buffers: '256MB',
  work_mem: '16MB',
  maintenance_work_mem: '128MB',
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  wal_level: 'replica',
  max_wal_size: '2GB',
  checkpoint_timeout: '15min',
  random_page_cost: '1.1',
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  // The log must hold no value of any row: terse drops DETAIL, panic drops the statement text.
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
  log_statement: 'none',
  log_min_duration_statement: '-1',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] ',
};

/** Runs a program to its end. @throws PostsealError with the last line it said. */
function run(command: readonly string[], libraryFolder: string): Promise<void> {
  const [program = '', ...rest] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, rest, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: postgresEnvironment(libraryFolder),
      cwd: dirname(libraryFolder),
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.once('error', (cause) =>
      reject(new PostsealError('database.embedded-failed', { program }, cause)),
    );
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(explainFailure(said, { program: 'initdb', exit: code ?? -1 }));
    });
  });
}

/** Only what PostgreSQL needs: our environment may hold secrets. */
export function postgresEnvironment(libraryFolder: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    LANG: 'C',
    LC_ALL: 'C',
    TZ: 'UTC',
    LD_LIBRARY_PATH: libraryFolder,
  };
}

/** Turns what PostgreSQL said last into an error with one clear cause. */
export function explainFailure(
  said: string,
  fields: Readonly<Record<string, string | number>>,
): PostsealError {
  const last = said.trim().split('\n').slice(-3).join(' / ').slice(0, 500);
  const where = { ...fields, said: last };
  if (said.includes('No space left on device')) return new PostsealError('home.disk-full', where);
  return new PostsealError('database.embedded-failed', where);
}
