// A thief has a copy of everything – database, packs, ledger, configuration – but the token: the server does
// not start on it, with no key store, with a fresh token or with one of another home, and nothing is made over
// it. What needs no key, the proof that the ledger is whole, works for everybody.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import { describeIf } from '../harness/needs.ts';
import { createTestHome, type TestHome } from '../harness/server.ts';
import { moduleOf } from '../harness/token.ts';

const softhsm = moduleOf('softhsm2');
const keys = { store: 'pkcs11', pkcs11: { profile: 'softhsm2', module: softhsm } };

describeIf(softhsm !== undefined, 'no SoftHSM', 'a stolen home', () => {
  let home: TestHome;
  let other: TestHome;
  let stolen: string;
  const run = (args: readonly string[]) => home.run(args, undefined, { POSTSEAL_HOME: stolen });

  beforeAll(async () => {
    [home, other] = [createTestHome({ workers: 1, keys }), createTestHome({ workers: 1, keys })];
    const server = await home.start();
    const account = await home.createAccount('owner@example.com');
    const lmtp = await LmtpClient.connect('127.0.0.1', server.ports.lmtp);
    await lmtp.deliver('a@example.org', account.name, Buffer.from('Subject: x\r\n\r\nsecret\r\n'));
    await lmtp.quit();
    expect(await server.stop()).toBe(0);
    expect(await (await other.start()).stop()).toBe(0);
    stolen = mkdtempSync(join(tmpdir(), 'postseal-stolen-'));
    const withoutKeys = (path: string): boolean => path !== join(home.home, 'keys');
    cpSync(home.home, stolen, { recursive: true, filter: withoutKeys });
  }, 180_000);
  afterAll(() => {
    home.remove();
    other.remove();
    rmSync(stolen, { recursive: true, force: true });
  });

  test('does not start without its token, and gets no new one', async () => {
    for (const command of [['serve'], ['scrub']]) {
      const { code, stdout, stderr } = await run(command);
      expect({ command, code, stdout }).toEqual({ command, code: 78, stdout: '' });
      expect(stderr).toMatch(/hint: \S/);
    }
  }, 120_000);

  test('nor with the token of another home', async () => {
    cpSync(join(other.home, 'keys'), join(stolen, 'keys'), { recursive: true });
    const { code, stdout } = await run(['serve']);
    expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
    rmSync(join(stolen, 'keys'), { recursive: true });
  }, 120_000);

  test('proves its ledger to everybody', async () => {
    const { code, stdout } = await run(['ledger', 'verify']);
    expect(stdout).toMatch(/\nclean\n$/);
    expect(code).toBe(0);
  }, 120_000);
});
