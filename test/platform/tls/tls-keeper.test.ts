// Certificates as a client meets them: made at first start, replaced while running, never half.
import { createServer, connect } from 'node:tls';
import type { Server, TLSSocket } from 'node:tls';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { makeSelfSigned } from '../../../src/platform/tls/self-signed.ts';
import { openTlsKeeper } from '../../../src/platform/tls/tls-keeper.ts';
import type { TlsKeeper } from '../../../src/platform/tls/tls-keeper.ts';
import { createMemoryLog } from '../../harness/memory-log.ts';

const home = mkdtempSync(join(tmpdir(), 'postseal-tls-'));
const log = createMemoryLog();
const start = new Date('2026-01-01T00:00:00Z');
let now = start;
const config = { certificate: undefined, key: undefined, minVersion: 'TLSv1.3' as const };
const open = (more: Partial<Parameters<typeof openTlsKeeper>[0]> = {}): Promise<TlsKeeper> =>
  openTlsKeeper({ home, config, domain: 'example.com', log, now: () => now, watchMs: 20, ...more });

let keeper: TlsKeeper;
let server: Server;
beforeAll(async () => {
  keeper = await open();
  server = createServer(keeper.options(), (socket) => socket.end());
  keeper.onChange(() => server.setSecureContext(keeper.options()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  keeper.close();
  server.close();
  rmSync(home, { recursive: true, force: true });
});

function shake(): Promise<{ fingerprint: string; names: string; protocol: string | null }> {
  return new Promise((resolve, reject) => {
    const { port } = server.address() as AddressInfo;
    const socket: TLSSocket = connect(
      {
        port,
        host: '127.0.0.1',
        ca: readFileSync(join(home, 'tls', 'certificate.pem')),
        checkServerIdentity: () => undefined,
        rejectUnauthorized: false,
      },
      () => {
        const { fingerprint256, subjectaltname } = socket.getPeerCertificate();
        const protocol = socket.getProtocol();
        socket.destroy();
        resolve({ fingerprint: fingerprint256, names: subjectaltname ?? '', protocol });
      },
    );
    socket.once('error', reject);
  });
}
async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (what()) return;
    await sleep(20);
  }
  throw new Error(`never became true: ${what.toString()}`);
}

describe('openTlsKeeper', () => {
  test('makes a private pair at first start, with the names that clients ask for, over TLS 1.3', async () => {
    const seen = await shake();
    expect(seen.protocol).toBe('TLSv1.3');
    expect(seen.fingerprint).toBe(keeper.fingerprint());
    for (const name of ['DNS:localhost', 'DNS:example.com', 'IP Address:127.0.0.1']) {
      expect(seen.names).toContain(name);
    }
    expect(statSync(join(home, 'tls', 'key.pem')).mode & 0o777).toBe(0o600);
  });

  test('a second start keeps it; one that ends soon or is torn is made anew', async () => {
    const kept = keeper.fingerprint();
    const again = await open();
    expect(again.fingerprint()).toBe(kept);
    again.close();
    now = new Date(start.getTime() + 340 * 86_400_000);
    await until(() => keeper.fingerprint() !== kept);
    const renewed = keeper.fingerprint();
    expect((await shake()).fingerprint).toBe(renewed);
    writeFileSync(join(home, 'tls', 'certificate.pem'), 'torn');
    const mended = await open();
    expect(mended.fingerprint()).not.toBe(renewed);
    mended.close();
    await until(() => keeper.fingerprint() === mended.fingerprint());
  });

  test('a replaced pair is used at once for new connections, half a pair is not', async () => {
    const before = keeper.fingerprint();
    const pair = await makeSelfSigned({
      dnsNames: ['new.example.com'],
      addresses: [],
      notBefore: now,
      days: 90,
    });
    writeFileSync(join(home, 'tls', 'certificate.pem'), pair.certificate);
    await until(() => log.entries.some(({ event }) => event === 'tls.certificate.refused'));
    expect((await shake()).fingerprint).toBe(before);
    writeFileSync(join(home, 'tls', 'key.pem'), pair.key);
    await until(() => keeper.fingerprint() !== before);
    expect((await shake()).names).toBe('DNS:new.example.com');
  });

  test('a configured pair that cannot be used is one clear error', async () => {
    const absent = { ...config, certificate: join(home, 'none.pem'), key: join(home, 'none.key') };
    await expect(open({ config: absent })).rejects.toMatchObject({ code: 'config.invalid' });
    const odd = await makeSelfSigned({ dnsNames: ['x'], addresses: [], notBefore: now, days: 1 });
    writeFileSync(join(home, 'odd.pem'), odd.certificate);
    const mixed = {
      ...config,
      certificate: join(home, 'odd.pem'),
      key: join(home, 'tls', 'key.pem'),
    };
    await expect(open({ config: mixed })).rejects.toMatchObject({
      code: 'config.invalid',
      fields: { '/tls': 'certificate and key are no pair' },
    });
  });
});
