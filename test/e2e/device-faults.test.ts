// The whole server on a device that is down, slow or full (docs/architecture.md, "Keys"): what is cached is
// read on, intake says "try again" and loses nothing, somebody is told, and nothing needs a restart. The
// device is a real SoftHSM behind a module that fails on demand.
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, jest } from '@jest/globals';
import pkcs11js from 'pkcs11js';
import { buildFaultyModule, type Fault, type FaultyModule } from '../harness/faulty-module.ts';
import { describeWith, testIf } from '../harness/needs.ts';
import { type Account, createTestHome, type TestHome, type TestServer } from '../harness/server.ts';
import { moduleOf } from '../harness/token.ts';
import { until } from '../harness/until.ts';
import { homeProcess } from './home-processes.ts';
import { RawImap } from './raw-imap.ts';

jest.setTimeout(300_000);

const softhsm = moduleOf('softhsm2');
const working = ['C_Encrypt', 'C_Decrypt', 'C_Sign', 'C_OpenSession', 'C_GetTokenInfo'] as const;
const failing = (code: number): Fault[] => working.map((name): Fault => `${name} fail ${code}`);

/** The reply to the message of one LMTP delivery, or the reply that ended it before. */
async function deliver(port: number, to: string, message: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1').setNoDelay(true);
  let text = '';
  let wake = (): void => undefined;
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    wake();
  });
  const reply = async (): Promise<string> => {
    for (;;) {
      const found = /^\d{3} .*\r\n/m.exec(text);
      if (found !== null) {
        text = text.slice(found.index + found[0].length);
        return found[0];
      }
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  try {
    let last = await reply();
    const lines = ['LHLO tests', 'MAIL FROM:<a@example.com>', `RCPT TO:<${to}>`, 'DATA'];
    for (const line of [...lines, `${message}.`]) {
      if (!/^[23]/.test(last)) return last;
      socket.write(`${line}\r\n`);
      last = await reply();
    }
    return last;
  } finally {
    socket.destroy();
  }
}

const message = (subject: string): string =>
  `From: a@example.com\r\nTo: b@example.com\r\nSubject: ${subject}\r\n\r\nbody of ${subject}\r\n`;

describeWith(['cc'], 'a server whose device', () => {
  let faulty: FaultyModule;
  let home: TestHome;
  let server: TestServer;
  let alice: Account;
  let mail: RawImap;
  beforeAll(async () => {
    if (softhsm === undefined) return;
    faulty = buildFaultyModule(softhsm);
    const pkcs11 = { profile: 'softhsm2', module: faulty.module };
    home = createTestHome({ workers: 1, keys: { store: 'pkcs11', pkcs11 } });
    server = await home.start();
    alice = await home.createAccount('alice@example.com');
    expect(await deliver(server.ports.lmtp, alice.name, message('first'))).toMatch(/^250/);
    mail = await RawImap.signedIn(server.ports.imaps, alice);
    await mail.ok('SELECT INBOX');
    expect(await body(1)).toContain('body of first');
  });
  afterEach(() => {
    faulty.clear();
  });
  afterAll(async () => {
    if (softhsm === undefined) return;
    mail.destroy();
    await server.stop();
    home.remove();
    faulty.remove();
  });

  const body = async (number: number): Promise<string> =>
    (await mail.ok(`FETCH ${number} BODY.PEEK[]`)).untagged
      .flatMap(({ literals }) => literals)
      .map(String)
      .join('');
  const log = (): string => readFileSync(join(home.home, 'log', 'postseal.log'), 'utf8');
  const ready = async (): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${server.ports.metrics}/readyz`)).ok;
  testIf(
    softhsm !== undefined,
    'no SoftHSM',
    'is down reads on what is cached, answers intake with 4xx, tells it, and goes on by itself',
    async () => {
      const { pid } = server;
      faulty.set(...failing(pkcs11js.CKR_DEVICE_REMOVED));
      // Without its caches the key service has nothing to answer with.
      process.kill(homeProcess(home.home, 'vault/service/main.ts').pid, 'SIGKILL');
      expect(await deliver(server.ports.lmtp, alice.name, message('while down'))).toMatch(/^451/);
      expect(await body(1)).toContain('body of first');
      expect(await ready()).toBe(false);
      expect(log()).toMatch(/"class":"P1","code":"key.service-died"/);
      await until(() => /"class":"P1","code":"key.troubled"/.test(log()));
      const doctor = await home.run(['doctor']);
      expect(doctor.code).toBe(1);
      expect(doctor.stdout).toMatch(/^bad +token: /m);
      faulty.clear();
      await until(ready);
      expect(await deliver(server.ports.lmtp, alice.name, message('afterwards'))).toMatch(/^250/);
      await mail.ok('NOOP');
      expect(await body(2)).toContain('body of afterwards');
      expect(await body(1)).toContain('body of first');
      expect(server.pid).toBe(pid);
      const named = 'profile softhsm2, AES-GCM (CK_GCM_PARAMS v2.40)';
      expect((await home.run(['doctor'])).stdout).toContain(named);
      expect(JSON.parse(await home.ok(['key', 'status', '--json']))).toMatchObject({
        available: true,
        profile: 'softhsm2',
        mechanism: 'AES-GCM (CK_GCM_PARAMS v2.40)',
      });
    },
  );

  testIf(
    softhsm !== undefined,
    'no SoftHSM',
    'is slow holds up nobody who does not need it',
    async () => {
      await deliver(server.ports.lmtp, alice.name, message('warm'));
      // Beginning an encryption has no asynchronous call: it would stop a loop.
      faulty.set('C_EncryptInit delay 4000');
      const start = performance.now();
      const times = { took: 0 };
      const slow = home.createAccount('slow@example.com').then(() => {
        times.took = performance.now() - start;
      });
      const others: number[] = [];
      while (times.took === 0) {
        const from = performance.now();
        expect(await deliver(server.ports.lmtp, alice.name, message('meanwhile'))).toMatch(/^250/);
        await body(1);
        others.push(performance.now() - from);
      }
      await slow;
      const { took } = times;
      expect(took).toBeGreaterThanOrEqual(4_000);
      expect(others.length).toBeGreaterThan(3);
      expect(Math.max(...others)).toBeLessThan(took / 2);
    },
  );

  testIf(
    softhsm !== undefined,
    'no SoftHSM',
    'is full takes in mail for those whose keys there are, and makes none',
    async () => {
      await deliver(server.ports.lmtp, alice.name, message('warm'));
      faulty.set(`C_Encrypt fail ${pkcs11js.CKR_DEVICE_MEMORY}`);
      const refused = await home.run(
        ['account', 'create', 'full@example.com', '--password-stdin'],
        'x'.repeat(20),
      );
      expect(refused.code).toBe(1);
      expect(refused.stderr).toContain('error: the token or the key service does not answer');
      expect(await deliver(server.ports.lmtp, alice.name, message('on a full device'))).toMatch(
        /^250/,
      );
      faulty.clear();
      await until(ready);
      await home.createAccount('full@example.com');
      expect(await deliver(server.ports.lmtp, 'full@example.com', message('to all'))).toMatch(
        /^250/,
      );
      const verify = await home.ok(['ledger', 'verify']).catch(async () => {
        await home.signIn('auditadmin');
        return home.ok(['ledger', 'verify']);
      });
      expect(verify).toMatch(/\nclean\n$/);
    },
  );
});
