// A home and its key store belong together from the first start on: no configuration, no other checkout's set-up
// and no missing token makes a home use, or make, another one.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type CommandResult, createTestHome, type TestHome } from '../harness/server.ts';
import { moduleOf } from '../harness/token.ts';
import { homeProcess, homeProcesses } from './home-processes.ts';

jest.setTimeout(300_000);

const softhsm = moduleOf('softhsm2');
const free = { host: '127.0.0.1', port: 0 };
const listeners = { imap: free, imaps: free, lmtp: free, metrics: free };

/** A configuration beside the first one; answers its path. */
function configOf(home: TestHome, name: string, keys: object): string {
  const file = join(home.home, `${name}.json`);
  writeFileSync(file, JSON.stringify({ listeners, workers: 1, keys }));
  return file;
}

/** One clear error that is a matter of configuration, and nothing on standard output. */
function expectRefusal(result: CommandResult, error: RegExp): void {
  const told = result.stderr.split('\n').filter((line) => !line.startsWith('postseal: warning: '));
  expect({ code: result.code, stdout: result.stdout }).toEqual({ code: 78, stdout: '' });
  expect(told[0]).toMatch(error);
  expect(told[1]).toMatch(/^postseal: hint: \S/);
  expect(told.slice(2)).toEqual(['']);
}

async function startAndStop(home: TestHome): Promise<void> {
  const server = await home.start();
  expect(await server.stop()).toBe(0);
}

const present = softhsm !== undefined;
const group = present ? describe : describe.skip;
group(present ? 'a home on SoftHSM' : 'a home on SoftHSM [skipped: no SoftHSM]', () => {
  let home: TestHome;
  const kept = (): object =>
    JSON.parse(readFileSync(join(home.home, 'key-store.json'), 'utf8')) as object;
  const keysFolder = (): string[] => readdirSync(join(home.home, 'keys')).sort();
  const named = { store: 'pkcs11', pkcs11: { profile: 'softhsm2', module: softhsm } };
  let untouched: string[];
  beforeAll(async () => {
    home = createTestHome({ workers: 1, keys: named });
    await startAndStop(home);
    untouched = keysFolder();
  });
  afterAll(() => home.remove());

  test('keeps which store it is, and needs no configuration for it any more', async () => {
    expect(kept()).toEqual({
      format: 'postseal/key-store/1',
      kind: 'pkcs11',
      profile: 'softhsm2',
      module: softhsm,
      tokenLabel: 'postseal',
    });
    const silent = configOf(home, 'silent', {});
    const { stdout } = await home.run(['config', 'check', '--config', silent]);
    expect(JSON.parse(stdout)).toMatchObject({
      keys: { store: 'pkcs11', chosenBy: 'home', pkcs11: { module: softhsm } },
    });
    expect(await home.ok(['scrub', '--config', silent])).toMatch(/\nclean\n$/);
  });

  test.each([
    [{ store: 'keyfile' }, /\/keys\/store=keyfile, but the home has pkcs11/],
    [{ store: 'pkcs11', pkcs11: { profile: 'nss-softokn' } }, /profile=nss-softokn, but the home/],
    [{ pkcs11: { tokenLabel: 'another' } }, /tokenLabel=another, but the home has postseal/],
  ])('refuses a configuration with %j', async (keys, error) => {
    const file = configOf(home, 'other', keys);
    expectRefusal(await home.run(['serve', '--config', file]), error);
    expectRefusal(await home.run(['scrub', '--config', file]), error);
    expect(keysFolder()).toEqual(untouched);
  });

  test('one made before homes kept it is not guessed at: what does not hold its keys is refused', async () => {
    const before = kept();
    rmSync(join(home.home, 'key-store.json'));
    const file = configOf(home, 'other', { store: 'keyfile' });
    for (const command of ['serve', 'scrub']) {
      expectRefusal(
        await home.run([command, '--config', file]),
        /token or key file .* not there \(file=.*keys\.sealed\)/,
      );
    }
    expect(keysFolder()).toEqual(untouched);
    expect(existsSync(join(home.home, 'key-store.json'))).toBe(false);
    // With what it has used it starts, and keeps that from now on.
    await startAndStop(home);
    expect(kept()).toEqual(before);
  });

  test('a module that is not there is named; a new place of it is taken once the keys are found', async () => {
    const gone = { ...kept(), module: '/nowhere/libsofthsm2.so' };
    writeFileSync(join(home.home, 'key-store.json'), JSON.stringify(gone));
    const silent = configOf(home, 'silent', {});
    for (const command of ['serve', 'scrub']) {
      expectRefusal(
        await home.run([command, '--config', silent]),
        /module of the key store is not on this machine .*module=\/nowhere\/libsofthsm2\.so/,
      );
    }
    expect((await home.run(['doctor', '--config', silent])).stdout).toMatch(
      /^bad +token: .*\/nowhere\/libsofthsm2\.so/m,
    );
    await startAndStop(home);
    expect(kept()).toMatchObject({ module: softhsm });
  });

  test('a token that is missing at the start is not replaced by an empty one', async () => {
    renameSync(join(home.home, 'keys/token'), join(home.home, 'keys/away'));
    const missing = /token or key file .* not there \(folder=.*keys\/token\)/;
    expectRefusal(await home.run(['serve']), missing);
    expectRefusal(await home.run(['scrub']), missing);
    expect(existsSync(join(home.home, 'keys/token'))).toBe(false);
    // An empty folder in its place, as a mount point without its disk.
    mkdirSync(join(home.home, 'keys/token'), { mode: 0o700 });
    expectRefusal(
      await home.run(['serve']),
      /token or key file .* not there \(label=postseal, profile=softhsm2, folder=/,
    );
    expect(readdirSync(join(home.home, 'keys/token'))).toEqual([]);
    rmSync(join(home.home, 'keys/token'), { recursive: true });
    renameSync(join(home.home, 'keys/away'), join(home.home, 'keys/token'));
    expect(homeProcesses(home.home)).toEqual([]);
    await startAndStop(home);
  });

  test('a key service that starts again without its token waits for it', async () => {
    const server = await home.start();
    const log = (): string => readFileSync(join(home.home, 'log/postseal.log'), 'utf8');
    renameSync(join(home.home, 'keys/token'), join(home.home, 'keys/away'));
    process.kill(homeProcess(home.home, 'vault/service/main.ts').pid, 'SIGKILL');
    while (!log().includes('"code":"key.store-missing"')) await sleep(100);
    expect(existsSync(join(home.home, 'keys/token'))).toBe(false);
    const { code, stdout } = await home.run(['doctor']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^bad +token: .*the key service does not answer/m);
    renameSync(join(home.home, 'keys/away'), join(home.home, 'keys/token'));
    let ready = false;
    while (!ready) {
      await sleep(200);
      ready = (await fetch(`http://127.0.0.1:${String(server.ports.metrics)}/readyz`)).ok;
    }
    expect((await home.run(['doctor'])).code).toBe(0);
    expect(await server.stop()).toBe(0);
  });
});

test('a home on a key file stays on it, whatever the set-up of this checkout has found', async () => {
  const home = createTestHome({ workers: 1, keys: { store: 'keyfile' } });
  await startAndStop(home);
  home.env['POSTSEAL_CONFIG'] = configOf(home, 'silent', {});
  await startAndStop(home);
  expect(await home.ok(['scrub'])).toMatch(/\nclean\n$/);
  expect(readdirSync(join(home.home, 'keys')).sort()).toEqual([
    'keys-passphrase.pin',
    'keys.sealed',
    'signer-passphrase.pin',
    'signer.sealed',
  ]);
  // What holds the ledger's key is as little replaced as what holds the others.
  renameSync(join(home.home, 'keys/signer.sealed'), join(home.home, 'away'));
  expectRefusal(await home.run(['serve']), /not there \(file=.*signer\.sealed\)/);
  expect(existsSync(join(home.home, 'keys/signer.sealed'))).toBe(false);
  home.remove();
});
