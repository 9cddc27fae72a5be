// What a start, or a command without a server, says when something is in its way: one line, one hint,
// and the exit code of the contract.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { testIf } from '../harness/needs.ts';
import { type CommandResult, createTestHome, type TestHome } from '../harness/server.ts';
import { homeProcesses } from './home-processes.ts';

const homes: TestHome[] = [];
function newHome(config?: Readonly<Record<string, unknown>>): TestHome {
  const home = createTestHome(config);
  homes.push(home);
  return home;
}
afterAll(() => {
  for (const home of homes) home.remove();
});

/** Exactly one error line and one hint line, and nothing of a stack. */
function expectRefusal(result: CommandResult, code: number, error: RegExp): void {
  const lines = result.stderr.trimEnd().split('\n');
  const told = lines.filter((line) => !line.startsWith('postseal: warning: '));
  expect({ code: result.code, lines: told.length, stdout: result.stdout }).toEqual({
    code,
    lines: 2,
    stdout: '',
  });
  expect(told[0]).toMatch(error);
  expect(told[0]).toMatch(/^postseal: error: [a-z]/);
  expect(told[1]).toMatch(/^postseal: hint: \S/);
}

/** A port that somebody else listens on. */
async function takenPort(): Promise<{ port: number; close: () => void }> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address() as net.AddressInfo;
  return { port, close: () => server.close() };
}

/** Lets a folder have a small file system of its own; false where that is not allowed. */
function mount(folder: string, size: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    // Not root, or a container that forbids it: the test is skipped by name.
    return false;
  }
}
function mayMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'postseal-mount-'));
  const mounted = mount(folder, '1m');
  if (mounted) execFileSync('umount', [folder]);
  rmSync(folder, { recursive: true });
  return mounted;
}

test('a second server in one home is told who is there; a stale lock is taken over', async () => {
  const home = newHome();
  const first = await home.start();
  expectRefusal(await home.run(['serve']), 1, new RegExp(`another Postseal.*pid=${first.pid}\\b`));
  await first.kill();
  expect(JSON.parse(readFileSync(join(home.home, 'lock'), 'utf8'))).toMatchObject({
    pid: first.pid,
  });
  const second = await home.start();
  expect(second.stderr()).toBe('');
  expect(await second.stop()).toBe(0);
}, 180_000);

test.each(['imap', 'lmtp', 'metrics'])(
  'a taken port of %s is named',
  async (listener) => {
    const { port, close } = await takenPort();
    const free = { host: '127.0.0.1', port: 0 };
    const listeners = { imap: free, imaps: free, lmtp: free, metrics: free };
    const home = newHome({
      workers: 1,
      listeners: { ...listeners, [listener]: { ...free, port } },
    });
    const { stderr, ...rest } = await home.run(['serve']);
    close();
    // The first start of a home says where the one-time passwords are.
    const told = stderr.replace(/^postseal: one-time passwords .*\n/, '');
    expectRefusal(
      { stderr: told, ...rest },
      1,
      new RegExp(`listener=${listener}.*port=${port}\\b`),
    );
    expect(homeProcesses(home.home)).toEqual([]);
  },
  180_000,
);

test('a host that this machine does not have is a matter of configuration', async () => {
  const free = { host: '127.0.0.1', port: 0 };
  const imap = { ...free, host: '192.0.2.1' };
  const home = newHome({ workers: 1, listeners: { imap, imaps: free, lmtp: free, metrics: free } });
  const { stderr, ...rest } = await home.run(['serve']);
  // The first start of a home says where the one-time passwords are.
  const told = stderr.replace(/^postseal: one-time passwords .*\n/, '');
  expectRefusal({ stderr: told, ...rest }, 78, /listener=imap, host=192\.0\.2\.1/);
  expect(homeProcesses(home.home)).toEqual([]);
}, 180_000);

test('a wrong passphrase of the key file is a matter of configuration', async () => {
  const keys = { store: 'keyfile', keyfile: { passphrase: { env: 'POSTSEAL_TEST_PASSPHRASE' } } };
  const home = newHome({ workers: 1, keys });
  home.env['POSTSEAL_TEST_PASSPHRASE'] = 'the right passphrase';
  const server = await home.start();
  expect(server.stderr()).toContain('postseal: warning: ');
  expect(await server.stop()).toBe(0);
  home.env['POSTSEAL_TEST_PASSPHRASE'] = 'another passphrase';
  expectRefusal(await home.run(['serve']), 78, /passphrase does not open/);
  delete home.env['POSTSEAL_TEST_PASSPHRASE'];
  expectRefusal(
    await home.run(['serve']),
    78,
    /\/keys\/keyfile\/passphrase|POSTSEAL_TEST_PASSPHRASE/,
  );
}, 180_000);

test.each(['softhsm2', 'nss-softokn'])(
  'production does not start on the software token %s, and sets nothing up',
  async (profile) => {
    const keys = { store: 'pkcs11', pkcs11: { profile } };
    const home = newHome({ workers: 1, production: true, keys });
    expectRefusal(await home.run(['serve']), 78, /class=software-token.*profile=/);
    expect(readdirSync(home.home)).toEqual(['test-config.json']);
    const { stdout } = await home.run(['doctor', '--json']);
    const checks = JSON.parse(stdout) as { name: string; verdict: string; text: string }[];
    expect(checks.find(({ name }) => name === 'token')).toMatchObject({
      verdict: 'bad',
      text: expect.stringContaining('class software-token'),
    });
  },
);

test('an unknown key of the configuration is named by its JSON pointer', async () => {
  const home = newHome({ imap: { allowCleartextLoopbak: true } });
  expectRefusal(await home.run(['serve']), 78, /\/imap\/allowCleartextLoopbak/);
  expectRefusal(await home.run(['config', 'check']), 78, /\/imap\/allowCleartextLoopbak/);
});

test('a configuration that is not JSON, or not there, is named', async () => {
  const home = newHome();
  const broken = join(home.home, 'broken.json');
  writeFileSync(broken, '{"workers": 2,');
  expectRefusal(await home.run(['serve', '--config', broken]), 78, /broken\.json/);
  expectRefusal(await home.run(['serve', '--config', `${broken}.not`]), 78, /broken\.json\.not/);
});

test.each([
  ['account', 'list'],
  ['ledger', 'query'],
  ['person', 'list'],
])('%s %s without a server says so', async (...words) => {
  expectRefusal(await newHome().run(words), 1, /no server runs in this home/);
});

describe('a full disk', () => {
  testIf(
    mayMount(),
    'no file system can be mounted here',
    'is one clear line at the first start, and leaves nothing running',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'postseal-full-'));
      expect(mount(folder, '6m')).toBe(true);
      const home = newHome({ workers: 1 });
      try {
        expectRefusal(await home.run(['serve', '--home', folder]), 1, /disk is full/);
        expect(homeProcesses(folder)).toEqual([]);
      } finally {
        execFileSync('umount', [folder]);
        rmSync(folder, { recursive: true });
      }
    },
    180_000,
  );
});
