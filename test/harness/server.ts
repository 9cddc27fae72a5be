// A real server of this checkout in a scratch home on free ports: started, spoken to and stopped as
// a person would, by its command line. Used by the end-to-end tests and by bench/.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
export const program = join(root, 'src/app.ts');

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Ports {
  readonly imap: number;
  readonly imaps: number;
  readonly lmtp: number;
  readonly metrics: number;
}

export interface TestServer {
  readonly home: string;
  readonly ports: Ports;
  readonly pid: number;
  /** Everything that the server has written to standard error so far. */
  stderr(): string;
  /** Ctrl-C: waits for the end and answers the exit code. */
  stop(): Promise<number | null>;
  /** kill -9 of the primary process; waits until it is gone. */
  kill(): Promise<void>;
}

export interface TestHome {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  start(): Promise<TestServer>;
  /** `postseal …` in this home. */
  run(
    args: readonly string[],
    input?: string,
    env?: Readonly<Record<string, string>>,
  ): Promise<CommandResult>;
  /** Like `run`, but throws with the output unless the exit code is 0; answers standard output. */
  ok(args: readonly string[], input?: string): Promise<string>;
  createAccount(name: string): Promise<Account>;
  /** Signs one of the first administrators in with a password of the test's own. */
  signIn(person: 'sysadmin' | 'secadmin' | 'auditadmin'): Promise<void>;
  remove(): void;
}

export interface Account {
  readonly name: string;
  readonly password: string;
}

function runCommand(
  env: NodeJS.ProcessEnv,
  args: readonly string[],
  input = '',
): Promise<CommandResult> {
  return new Promise((done) => {
    const options = { env, maxBuffer: 1 << 28 };
    const child = execFile(
      process.execPath,
      [program, ...args],
      options,
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        done({ code, stdout, stderr });
      },
    );
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

async function readyLine(child: ChildProcess, stderr: () => string): Promise<string> {
  return new Promise((done, fail) => {
    let text = '';
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const line = /^postseal ready .*$/m.exec(text);
      if (line !== null) done(line[0]);
    });
    child.once('exit', (code, signal) =>
      fail(new Error(`the server ended with ${code ?? signal ?? '?'}:\n${stderr()}`)),
    );
  });
}

async function startServer(home: string, env: NodeJS.ProcessEnv): Promise<TestServer> {
  const child = spawn(process.execPath, [program, 'serve'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  const ended = new Promise<number | null>((done) => child.once('exit', (code) => done(code)));
  const ready = await readyLine(child, () => errors);
  const port = (name: string): number =>
    Number(new RegExp(` ${name}=[^ ]*:(\\d+)`).exec(ready)?.[1] ?? NaN);
  return {
    home,
    pid: child.pid ?? NaN,
    ports: {
      imap: port('imap'),
      imaps: port('imaps'),
      lmtp: port('lmtp'),
      metrics: port('metrics'),
    },
    stderr: () => errors,
    stop() {
      child.kill('SIGINT');
      return ended;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/**
 * A new scratch home; `config` is merged over free ports on the loopback. Its database is the embedded one
 * unless `databaseUrl` names another, which must be empty: the run's DATABASE_URL is no home's.
 */
export function createTestHome(
  config: Readonly<Record<string, unknown>> = {},
  databaseUrl?: string,
): TestHome {
  const home = mkdtempSync(join(tmpdir(), 'postseal-e2e-'));
  const listener = { host: '127.0.0.1', port: 0 };
  const file = join(home, 'test-config.json');
  const listeners = { imap: listener, imaps: listener, lmtp: listener, metrics: listener };
  writeFileSync(file, JSON.stringify({ listeners, ...config }));
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    POSTSEAL_HOME: home,
    POSTSEAL_CONFIG: file,
    DATABASE_URL: databaseUrl,
  };
  if (databaseUrl === undefined) delete env['DATABASE_URL'];
  const run: TestHome['run'] = (args, input, more = {}) =>
    runCommand({ ...env, ...more }, args, input);
  const ok = async (args: readonly string[], input?: string): Promise<string> => {
    const result = await run(args, input);
    if (result.code !== 0) {
      throw new Error(
        `postseal ${args.join(' ')}: ${result.code}\n${result.stdout}${result.stderr}`,
      );
    }
    return result.stdout;
  };
  const passwordOf = (person: string): string => `long-password-of-${person}`;
  const changed = new Set<string>();
  return {
    home,
    env,
    run,
    ok,
    start: () => startServer(home, env),
    async createAccount(name) {
      const password = `mail-password-of-${name}`;
      await ok(['account', 'create', name, '--password-stdin'], password);
      return { name, password };
    },
    async signIn(person) {
      const login = (password: string): Promise<string> =>
        ok(['person', 'login', person, '--password-stdin'], password);
      if (!changed.has(person)) {
        const lines = readFileSync(join(home, 'first-run.txt'), 'utf8').split('\n');
        const line = lines.find((text) => text.startsWith(`${person} `));
        await login(line?.split(' ')[1] ?? '');
        await ok(['person', 'password', '--password-stdin'], passwordOf(person));
        changed.add(person);
      }
      await login(passwordOf(person));
    },
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}
