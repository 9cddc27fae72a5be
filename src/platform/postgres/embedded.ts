// The embedded PostgreSQL: our own child process in the home, reached over a private Unix socket.
// Stopped cleanly, restarted when it dies, never left behind (orphan-guard.ts), never two at a time.
// Source: PostgreSQL 18 manual, "Shutting Down the Server"; decisions in docs/adr/0002-embedded-postgres.md.
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PostsealError } from '../../kernel/errors.ts';
import { findPostgresBinaries } from './binaries.ts';
import type { PostgresBinaries } from './binaries.ts';
import { createApplicationDatabase, socketUrl } from './bootstrap.ts';
import {
  clusterFiles,
  ensureCluster,
  explainFailure,
  postgresEnvironment,
  readCredentials,
  writeSettings,
} from './cluster.ts';
import type { ClusterCredentials, ClusterFiles } from './cluster.ts';
import { chooseLauncher } from './launcher.ts';
import type { Launcher } from './launcher.ts';
import { startOrphanGuard } from './orphan-guard.ts';
import { prepareRunFolder } from './run-folder.ts';
import { clearSurvivors, isReady } from './survivors.ts';

/** What happened to the server; `died` and `restart-failed` are for the alert bus. */
export type EmbeddedEvent =
  | { readonly kind: 'created' }
  | { readonly kind: 'started'; readonly pid: number; readonly durationMs: number }
  | { readonly kind: 'died'; readonly pid: number; readonly reason: string }
  | { readonly kind: 'restart-failed'; readonly attempt: number; readonly cause: unknown }
  | { readonly kind: 'stopped' };

export interface EmbeddedOptions {
  /** The home; its lock must be held by this process. */
  readonly home: string;
  readonly onEvent?: (event: EmbeddedEvent) => void;
  /** Settings that win over the tuned ones (postgresql.conf names). */
  readonly settings?: Readonly<Record<string, string>>;
  /** As root: use this way to another identity and no other. */
  readonly launcher?: Launcher['name'];
}

export interface EmbeddedPostgres {
  /** Connects as the role `postseal`, owner of the database `postseal`; holds its password. */
  readonly url: string;
  /** Connects as the superuser; for backup and tests only. */
  readonly superuserUrl: string;
  readonly socketFolder: string;
  readonly launcher: Launcher['name'];
  /** The server's process id, undefined while it is down. */
  pid(): number | undefined;
  /** Fast shutdown (SIGINT), immediate (SIGQUIT) after 30 s; resolves when nothing is left. */
  stop(): Promise<void>;
}

/** Starts (and at the first call creates) the PostgreSQL of `options.home`. */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const home = resolve(options.home);
  const supervisor = new Supervisor(home, options);
  await supervisor.open();
  return supervisor;
}

const restartDelayMsMax = 30_000;
const fastShutdownMs = 30_000;
const logBytesMax = 16 * 1024 * 1024;

class Supervisor implements EmbeddedPostgres {
  readonly url: string;
  readonly superuserUrl: string;
  readonly socketFolder: string;
  readonly launcher: Launcher['name'];
  readonly #files: ClusterFiles;
  readonly #credentials: ClusterCredentials;
  readonly #binaries: PostgresBinaries;
  readonly #launcher: Launcher;
  readonly #options: EmbeddedOptions;
  #child: ChildProcess | undefined;
  #stopping = false;
  #restart: Promise<void> | undefined;
  readonly #wake = new AbortController();

  constructor(home: string, options: EmbeddedOptions) {
    this.#options = options;
    this.#files = clusterFiles(home);
    for (const folder of [this.#files.folder, dirname(this.#files.log)]) makePrivate(folder);
    this.#binaries = findPostgresBinaries();
    this.#launcher = chooseLauncher(options.launcher);
    this.launcher = this.#launcher.name;
    this.#credentials = readCredentials(this.#files);
    this.socketFolder = prepareRunFolder(home);
    this.url = socketUrl(this.socketFolder, 'postseal', this.#credentials.application, 'postseal');
    this.superuserUrl = socketUrl(
      this.socketFolder,
      'postgres',
      this.#credentials.superuser,
      'postgres',
    );
  }

  async open(): Promise<void> {
    const created = await ensureCluster(this.#files, this.#binaries, this.#launcher);
    if (created) this.#emit({ kind: 'created' });
    await this.#start();
    try {
      await createApplicationDatabase(this.superuserUrl, this.#credentials.application);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  pid(): number | undefined {
    return this.#child?.pid;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake.abort();
    await this.#restart;
    const child = this.#child;
    if (child !== undefined) {
      const ended = whenEnded(child);
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGQUIT'), fastShutdownMs);
      await ended;
      clearTimeout(timer);
    }
    this.#emit({ kind: 'stopped' });
  }

  async #start(): Promise<void> {
    const began = performance.now();
    await clearSurvivors(this.#files.data);
    writeSettings(this.#files, this.socketFolder, this.#options.settings ?? {});
    rotate(this.#files.log);
    const logFrom = sizeOf(this.#files.log);
    const guard = startOrphanGuard(this.#files.data);
    const child = this.#spawn();
    this.#child = child;
    const failed = new Promise<never>((_resolve, reject) => {
      child.once('error', (cause) =>
        reject(new PostsealError('database.embedded-failed', {}, cause)),
      );
    });
    if (child.pid !== undefined) guard.watch(child.pid);
    const ended = whenEnded(child).then((reason) => {
      guard.dismiss();
      if (this.#child === child) this.#child = undefined;
      return reason;
    });
    const ready = await Promise.race([this.#untilReady(child), ended, failed]);
    if (ready !== 'ready') {
      throw explainFailure(tail(this.#files.log, logFrom), { program: 'postgres', end: ready });
    }
    const pid = child.pid ?? 0;
    this.#emit({ kind: 'started', pid, durationMs: Math.round(performance.now() - began) });
    void ended.then((reason) => this.#onEnded(pid, reason));
  }

  #spawn(): ChildProcess {
    const command = [
      ...this.#launcher.prefix,
      this.#binaries.postgres,
      '-D',
      this.#files.data,
      '-c',
      `config_file=${this.#files.settings}`,
    ];
    const [program = '', ...rest]: readonly string[] = command;
    const log = openSync(this.#files.log, 'a', 0o600);
    try {
      return spawn(program, rest, {
        stdio: ['ignore', log, log],
        env: postgresEnvironment(this.#binaries.libraryFolder),
        cwd: this.#files.folder,
        // Its own session: Ctrl-C in the terminal reaches us alone, and we stop it in order.
        detached: true,
      });
    } finally {
      closeSync(log);
    }
  }

  /** Crash recovery may take minutes; only the end of the process ends the wait. */
  async #untilReady(child: ChildProcess): Promise<'ready'> {
    while (child.exitCode === null && child.signalCode === null) {
      if (child.pid !== undefined && isReady(this.#files.data, child.pid)) return 'ready';
      await sleep(20);
    }
    return new Promise<'ready'>(() => undefined);
  }

  #onEnded(pid: number, reason: string): void {
    if (this.#stopping) return;
    this.#emit({ kind: 'died', pid, reason });
    this.#restart = this.#restartUntilUp().finally(() => (this.#restart = undefined));
  }

  async #restartUntilUp(): Promise<void> {
    for (let attempt = 1; !this.#stopping; attempt += 1) {
      try {
        await this.#start();
        return;
      } catch (cause) {
        this.#emit({ kind: 'restart-failed', attempt, cause });
        const delay = Math.min(restartDelayMsMax, 500 * 2 ** Math.min(attempt, 10));
        // An abort only means that we stop; the loop's condition sees it.
        await sleep(delay, undefined, { signal: this.#wake.signal }).catch(() => undefined);
      }
    }
  }

  #emit(event: EmbeddedEvent): void {
    this.#options.onEvent?.(event);
  }
}

function whenEnded(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) {
      resolve(child.signalCode ?? `exit ${child.exitCode ?? -1}`);
      return;
    }
    child.once('exit', (code, signal) => resolve(signal ?? `exit ${code ?? -1}`));
  });
}

function makePrivate(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    const code = reason === 'ENOSPC' ? 'home.disk-full' : 'home.not-writable';
    throw new PostsealError(code, { path: folder, reason }, cause);
  }
}

function rotate(log: string): void {
  if (sizeOf(log) > logBytesMax) renameSync(log, `${log}.1`);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function tail(path: string, from: number): string {
  return readFileSync(path).subarray(from).toString('utf8');
}
