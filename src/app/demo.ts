// `npm run demo`: the whole story on a scratch home, by the front doors only: the command line, LMTP and
// IMAP. Prints each step and what came out; ends with 0 only if every step did what it says.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ImapFlow } from 'imapflow';
import { createTransport } from 'nodemailer';
import { exitCode } from '../kernel/errors.ts';
import { demoMessages } from './demo-messages.ts';

const program = fileURLToPath(new URL('../app.ts', import.meta.url));
const account = { name: 'ann@example.com', password: 'a long password for ann' };

interface Stage {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly ports: { readonly imaps: number; readonly lmtp: number };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Runs `postseal …` on the scratch home; throws with what it said unless it ends as expected. */
function postseal(
  stage: Pick<Stage, 'env'>,
  args: readonly string[],
  options: { readonly input?: string; readonly expect?: number } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      process.execPath,
      [program, ...args],
      { env: stage.env },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : Number(error.code ?? 1);
        if (code === (options.expect ?? 0)) resolve(stdout.trimEnd());
        else reject(new Error(`postseal ${args.join(' ')} ended with ${code}\n${stdout}${stderr}`));
      },
    );
    child.stdin?.end(options.input ?? '');
  });
}

async function startServer(env: NodeJS.ProcessEnv): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, [program, 'serve'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const ready = /^postseal ready .*$/m.exec(text);
      if (ready !== null) resolve(ready[0]);
    });
    child.once('exit', (code) => reject(new Error(`the server ended with ${code ?? 'a signal'}`)));
  });
  return { child, line };
}

async function signIn(stage: Stage, person: string): Promise<void> {
  const first = readFileSync(join(stage.home, 'first-run.txt'), 'utf8');
  const oneTime = new RegExp(`^${person} (.*)$`, 'm').exec(first)?.[1] ?? '';
  const password = `the own password of ${person}`;
  const login = ['person', 'login', person, '--password-stdin'];
  await postseal(stage, login, { input: oneTime });
  await postseal(stage, ['person', 'password', '--password-stdin'], { input: password });
  await postseal(stage, login, { input: password });
}

async function deliver(stage: Stage, messages: readonly Buffer[]): Promise<string> {
  const transport = createTransport({
    host: '127.0.0.1',
    port: stage.ports.lmtp,
    lmtp: true,
    secure: false,
    ignoreTLS: true,
  });
  let receipt = '';
  for (const raw of messages) {
    const envelope = { from: 'sender@example.org', to: [account.name] };
    const info = await transport.sendMail({ envelope, raw });
    receipt = /sealed ([0-9a-f-]{36})/.exec(info.response)?.[1] ?? receipt;
  }
  transport.close();
  if (receipt === '') throw new Error('the server gave no receipt');
  return receipt;
}

/** Reads every message back and compares it byte for byte; answers their number. */
async function readBack(stage: Stage, messages: readonly Buffer[]): Promise<number> {
  const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  const client = new ImapFlow({
    host: '127.0.0.1',
    port: stage.ports.imaps,
    secure: true,
    auth: { user: account.name, pass: account.password },
    tls: { rejectUnauthorized: false },
    logger: false,
  });
  await client.connect();
  const lock = await client.getMailboxLock('INBOX');
  const got: string[] = [];
  for await (const message of client.fetch('1:*', { source: true })) {
    got.push(digest(message.source ?? Buffer.alloc(0)));
  }
  await client.messageFlagsAdd('1', ['\\Flagged']);
  await client.messageMove('2', 'Archive');
  lock.release();
  await client.logout();
  if (got.join() !== messages.map(digest).join()) throw new Error('a message came back changed');
  return got.length;
}

async function play(stage: Stage): Promise<void> {
  const messages = demoMessages();
  say('2. sign in as the system administrator and create a mail account');
  await signIn(stage, 'sysadmin');
  const create = ['account', 'create', account.name, '--password-stdin'];
  await postseal(stage, create, { input: account.password });
  say(await postseal(stage, ['account', 'list']));
  say(`3. deliver ${messages.length} messages by LMTP`);
  const receipt = await deliver(stage, messages);
  say(`   the last one's receipt: ledger event ${receipt}`);
  say('4. read them over IMAP with TLS, flag one, move one');
  say(`   ${await readBack(stage, messages)} messages came back byte for byte`);
  say('5. an administrator reads no mail and no ledger');
  await postseal(stage, ['ledger', 'query'], { expect: 1 });
  say('   refused, and the refusal is an event');
  say('6. sign in as the audit administrator and ask who read what');
  await signIn(stage, 'auditadmin');
  say(await postseal(stage, ['ledger', 'query', '--op', 'read.granted', '--limit', '3']));
  say(await postseal(stage, ['ledger', 'query', '--op', 'access.denied']));
  say(await postseal(stage, ['ledger', 'head']));
  say('7. verify the ledger, and scrub every stored byte');
  say(await postseal(stage, ['ledger', 'verify']));
  say(await postseal(stage, ['scrub']));
}

/** Plays the story; answers the exit code. */
export async function demo(): Promise<number> {
  const home = mkdtempSync(join(tmpdir(), 'postseal-demo-'));
  const free = { host: '127.0.0.1', port: 0 };
  const config = join(home, 'demo-config.json');
  writeFileSync(
    config,
    JSON.stringify({
      workers: 1,
      listeners: { imap: free, imaps: free, lmtp: free, metrics: free },
    }),
  );
  const env = { ...process.env, POSTSEAL_HOME: home, POSTSEAL_CONFIG: config };
  let child: ChildProcess | undefined;
  const started = performance.now();
  try {
    say('1. start the server on a scratch home');
    const server = await startServer(env);
    child = server.child;
    say(`   ${server.line}`);
    const port = (name: string): number =>
      Number(new RegExp(` ${name}=\\S*:(\\d+)`).exec(server.line)?.[1]);
    await play({ home, env, ports: { imaps: port('imaps'), lmtp: port('lmtp') } });
    say(`every step did what it says, in ${((performance.now() - started) / 1000).toFixed(1)} s`);
    return exitCode.done;
  } catch (error) {
    process.stderr.write(`postseal: error: ${error instanceof Error ? error.message : 'failed'}\n`);
    return exitCode.failure;
  } finally {
    const running = child;
    if (running !== undefined && running.exitCode === null) {
      const gone = new Promise((resolve) => running.once('exit', resolve));
      running.kill('SIGINT');
      await gone;
    }
    rmSync(home, { recursive: true, force: true });
  }
}
