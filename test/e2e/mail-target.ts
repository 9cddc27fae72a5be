// What the client tests talk to: Postseal, or with POSTSEAL_E2E_PEER=dovecot Debian's Dovecot, which
// shows that a test asks for what any good server does.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { startDovecot } from '../../bench/peers/dovecot.ts';
import { type Account, createTestHome } from '../harness/server.ts';

export interface MailTarget {
  readonly imaps: number;
  readonly lmtp: number;
  /** False where delivery adds header lines: then mail that is compared goes in by APPEND. */
  readonly keepsBytes: boolean;
  /** PEM file with the server's certificate. */
  readonly certificate: string;
  /** Folder for the files of clients. */
  readonly scratch: string;
  account(name: string): Promise<Account>;
  stop(): Promise<void>;
}

async function certificateOf(port: number): Promise<string> {
  return new Promise((done, fail) => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      const der = socket.getPeerCertificate(true).raw.toString('base64');
      socket.destroy();
      const lines = der.match(/.{1,64}/g) ?? [];
      done(`-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`);
    });
    socket.on('error', fail);
  });
}

async function withFiles(base: Omit<MailTarget, 'certificate' | 'scratch'>): Promise<MailTarget> {
  const scratch = mkdtempSync(join(tmpdir(), 'postseal-clients-'));
  const certificate = join(scratch, 'server.pem');
  writeFileSync(certificate, await certificateOf(base.imaps));
  return {
    ...base,
    certificate,
    scratch,
    async stop() {
      await base.stop();
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

async function dovecotTarget(): Promise<MailTarget> {
  const peer = await startDovecot(20);
  let next = 0;
  return withFiles({
    imaps: peer.target.imaps.port,
    lmtp: peer.target.lmtp.port,
    keepsBytes: false,
    account() {
      const user = peer.target.users[next];
      next += 1;
      return user === undefined ? Promise.reject(new Error('no user left')) : Promise.resolve(user);
    },
    stop: () => peer.stop(),
  });
}

export async function startMailTarget(): Promise<MailTarget> {
  if (process.env['POSTSEAL_E2E_PEER'] === 'dovecot') return dovecotTarget();
  const home = createTestHome();
  const server = await home.start();
  return withFiles({
    imaps: server.ports.imaps,
    lmtp: server.ports.lmtp,
    keepsBytes: true,
    account: (name) => home.createAccount(`${name}@example.com`),
    async stop() {
      await server.stop();
      home.remove();
    },
  });
}

export interface Ran {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Runs a client program; never throws for its exit code. */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly input?: Buffer | string } = {},
): Promise<Ran> {
  return new Promise((done) => {
    const child = execFile(
      program,
      [...args],
      {
        encoding: 'buffer',
        maxBuffer: 1 << 28,
        env: { ...process.env, ...options.env },
        timeout: 60_000,
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
        done({ code, stdout, stderr: stderr.toString() });
      },
    );
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
  });
}

/** Like `run`, but throws with everything the program said unless it ended with 0. */
export async function runOk(
  program: string,
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly input?: Buffer | string } = {},
): Promise<Buffer> {
  const { code, stdout, stderr } = await run(program, args, options);
  if (code !== 0) {
    throw new Error(`${program} ${args.join(' ')}: ${code}\n${stdout.toString()}\n${stderr}`);
  }
  return stdout;
}
