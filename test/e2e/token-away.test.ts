// A token that is away while the server runs, as when a cable is pulled or a folder is moved: mail that needs no
// key goes on, everything says that keys and signatures are missing, Ctrl-C ends, and nothing needs a restart.
import { readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest } from '@jest/globals';
import { testIf } from '../harness/needs.ts';
import { createTestHome, type TestHome, type TestServer } from '../harness/server.ts';
import { moduleOf } from '../harness/token.ts';
import { until } from '../harness/until.ts';
import { homeProcesses } from './home-processes.ts';

jest.setTimeout(300_000);

const softhsm = moduleOf('softhsm2');
const keys = { store: 'pkcs11', pkcs11: { profile: 'softhsm2', module: softhsm } };

interface Readiness {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, string>>;
}

describe('a token that is away for a while', () => {
  let home: TestHome;
  let server: TestServer;
  beforeAll(async () => {
    home = createTestHome({ workers: 1, keys });
    server = await home.start();
  });
  afterAll(async () => {
    await server.stop();
    home.remove();
  });

  const get = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${String(server.ports.metrics)}${path}`)).text();
  const readiness = async (): Promise<Readiness> => JSON.parse(await get('/readyz')) as Readiness;
  const checkpointAge = async (): Promise<number> =>
    Number(
      /^postseal_ledger_checkpoint_age_seconds\S* (\S+)$/m.exec(await get('/metrics'))?.[1] ?? NaN,
    );
  const signedSize = (): number =>
    Number(readFileSync(join(home.home, 'ledger', 'checkpoint'), 'utf8').split('\n')[1]);
  const log = (): string => readFileSync(join(home.home, 'log', 'postseal.log'), 'utf8');
  const move = (from: string, to: string): void =>
    renameSync(join(home.home, 'keys', from), join(home.home, 'keys', to));
  /** An event that needs no key: a refusal. */
  const event = async (): Promise<void> => {
    expect((await home.run(['ledger', 'query'])).code).toBe(1);
  };
  testIf(
    softhsm !== undefined,
    'no SoftHSM',
    'is told by readiness, gauge, doctor and alert, and signs on by itself',
    async () => {
      await until(async () => (await readiness()).ok);
      move('token', 'away');
      const before = signedSize();
      await event();
      await until(async () => (await readiness()).checks['ledger'] === 'ledger.stalled');
      expect(await readiness()).toMatchObject({ ok: false, checks: { database: 'ok' } });
      expect(await checkpointAge()).toBeGreaterThan(0);
      await until(() => Promise.resolve(log().includes('"late":"checkpoint"')));
      expect(log()).toMatch(/"class":"P1","code":"ledger.stalled"/);
      const doctor = await home.run(['doctor']);
      expect(doctor.code).toBe(1);
      expect(doctor.stdout).toMatch(/^bad +ledger: .*it is not signed$/m);
      expect(doctor.stdout).toMatch(/^bad +token: class software-token .*does not answer/m);
      await event();
      move('away', 'token');
      await until(async () => (await readiness()).ok);
      expect(signedSize()).toBeGreaterThan(before);
      expect(await checkpointAge()).toBe(0);
      await home.signIn('sysadmin');
      expect(JSON.parse(await home.ok(['key', 'status', '--json']))).toMatchObject({
        available: true,
      });
    },
  );

  testIf(softhsm !== undefined, 'no SoftHSM', 'does not hold up Ctrl-C', async () => {
    move('token', 'away');
    await event();
    await until(async () => (await readiness()).checks['keys'] !== 'ok');
    expect(await server.stop()).toBe(0);
    expect(server.stderr()).not.toContain('going on without it');
    expect(homeProcesses(home.home)).toEqual([]);
    move('away', 'token');
    server = await home.start();
    await until(async () => (await readiness()).ok);
    expect(await home.ok(['ledger', 'verify'])).toMatch(/\nclean\n$/);
  });
});
