// Postseal in a scratch home, started and filled with accounts the way a person would: by its
// command line.
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { Peer } from './peer.ts';

const root = resolve(import.meta.dirname, '../..');
const main = join(root, 'src/cli/main.ts');

async function createAccount(
  env: NodeJS.ProcessEnv,
  name: string,
  password: string,
): Promise<void> {
  const run = promisify(execFile)(
    process.execPath,
    [main, 'account', 'create', name, '--password-stdin'],
    { env },
  );
  run.child.stdin?.end(password);
  await run;
}

/** Starts a server with default settings on free ports and creates `users` accounts. */
export async function startPostseal(users: number): Promise<Peer> {
  const home = mkdtempSync(join(tmpdir(), 'postseal-bench-home-'));
  const config = join(home, 'bench.json');
  const listener = { host: '127.0.0.1', port: 0 };
  writeFileSync(
    config,
    JSON.stringify({
      listeners: { imap: listener, imaps: listener, lmtp: listener, metrics: listener },
      imap: { allowCleartextLoopback: true },
    }),
  );
  const env = { ...process.env, POSTSEAL_HOME: home, POSTSEAL_CONFIG: config };
  const child = spawn(process.execPath, [main, 'serve'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ready = await new Promise<string>((done, fail) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const line = /^postseal ready .*$/m.exec(text);
      if (line !== null) done(line[0]);
    });
    child.once('exit', (code) => fail(new Error(`postseal ended with ${code ?? 'a signal'}`)));
  });
  const port = (name: string): number =>
    Number(new RegExp(` ${name}=[^ ]*:(\\d+)`).exec(ready)?.[1]);
  const accounts = Array.from({ length: users }, (_, i) => ({
    name: `bench${i}@example.com`,
    password: `bench-password-of-user-${i}`,
  }));
  for (const { name, password } of accounts) await createAccount(env, name, password);
  const at = (p: number, tls: boolean) => ({ host: '127.0.0.1', port: p, tls });
  return {
    target: {
      name: 'Postseal',
      imap: at(port('imap'), false),
      imaps: at(port('imaps'), true),
      lmtp: { host: '127.0.0.1', port: port('lmtp') },
      users: accounts,
    },
    async stop() {
      const gone = new Promise((r) => child.once('exit', r));
      child.kill('SIGTERM');
      await gone;
      rmSync(home, { recursive: true, force: true });
    },
  };
}
