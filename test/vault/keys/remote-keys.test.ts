// The key service of another machine: a process of its own with a real token, reached over TLS with certificates on
// both sides, by the services of a second home that share its database and have no key service.
import { randomUUID } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startKeyServer } from '../../../src/app/serve-keys.ts';
import { sealerFor } from '../../../src/app/services.ts';
import { ensureOrganisation } from '../../../src/archive/custodians.store.ts';
import type { CustodianId, OrganisationId } from '../../../src/kernel/ids.ts';
import { findProblems, loadConfig } from '../../../src/platform/config/load-config.ts';
import { createKeyClient } from '../../../src/vault/keys/client.ts';
import type { RemoteKeys } from '../../../src/vault/keys/key-endpoint.ts';
import type { KeyClient } from '../../../src/vault/keys/types.ts';
import { type KeyProcess, startKeyProcess } from '../../../src/vault/service/key-process.ts';
import type { KeyListener } from '../../../src/vault/service/key-tls.ts';
import {
  newAuthority,
  type TestAuthority,
  type TestCertificate,
} from '../../harness/certificates.ts';
import { startTestDatabase, type TestDatabase } from '../../harness/postgres.ts';
import { until } from '../../harness/until.ts';
import { dekSlot } from './running-service.ts';

const folder = mkdtempSync(join(tmpdir(), 'postseal-remote-'));
const organisation = randomUUID() as string as OrganisationId;
const serverName = 'keys.test';
const troubles: { code: string; fields: object }[] = [];
let db: TestDatabase;
let authority: TestAuthority;
let process1: KeyProcess;
let listener: KeyListener;

const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};
let pairs = 0;
const filesOf = ({ certificate, key }: TestCertificate) => {
  pairs += 1;
  return {
    certificate: file(`${String(pairs)}.pem`, certificate),
    key: file(`${String(pairs)}.key`, key),
  };
};

function start(port: number): Promise<KeyProcess> {
  listener = { ...listener, port };
  return startKeyProcess({
    config: {
      databaseUrl: db.url,
      organisation,
      node: 'keys',
      folder: join(folder, 'keys'),
      socketPath: join(folder, 'keys.sock'),
      store: { kind: 'keyfile', passphrase: 'a passphrase for tests' },
      listener,
    },
    onTrouble: (code, fields) => troubles.push({ code, fields }),
    onDeath: () => undefined,
  });
}

/** A client as the node `name` would have it. */
async function remote(name: string, more: Partial<RemoteKeys> = {}): Promise<RemoteKeys> {
  return {
    host: '127.0.0.1',
    port: process1.port ?? 0,
    name: serverName,
    ca: join(folder, 'ca.pem'),
    ...filesOf(await authority.issue(name)),
    ...more,
  };
}
const clientOf = (to: RemoteKeys, timeoutMs = 10_000): KeyClient =>
  createKeyClient({ socketPath: '', remote: to, timeoutMs });

beforeAll(async () => {
  db = await startTestDatabase();
  authority = await newAuthority();
  file('ca.pem', authority.certificate);
  const context = { home: folder, databaseUrl: db.url, organisation, node: 'n', keySocket: '' };
  await ensureOrganisation({ db: db.database, sealer: sealerFor(context, 'test') }, organisation);
  listener = {
    host: '127.0.0.1',
    port: 0,
    ...filesOf(await authority.issue(serverName)),
    clientCa: join(folder, 'ca.pem'),
    clients: ['node-a.test', 'node-b.test'],
  };
  process1 = await start(0);
}, 60_000);
afterAll(async () => {
  await process1.close();
  await db.drop();
});

describe('a node with its certificate', () => {
  test('wraps, opens nothing without an event, and goes on when the service was started again', async () => {
    const client = clientOf(await remote('node-b.test'));
    const custodian = randomUUID() as string as CustodianId;
    await client.ensureCustodian(custodian);
    const slot = dekSlot(custodian);
    const [wrap] = await client.wrap([{ ...slot, key: Buffer.alloc(32, 1) }]);
    const grant = { session: randomUUID(), purpose: 'owner-read', events: [] } as never;
    await expect(client.open(grant, [{ ...slot, wrap: wrap! }])).rejects.toMatchObject({
      code: 'key.refused',
      fields: { reason: 'missing' },
    });
    const port = process1.port ?? 0;
    await process1.close();
    const waiting = client.wrap([{ ...slot, key: Buffer.alloc(32, 2) }]);
    process1 = await start(port);
    expect(await waiting).toHaveLength(1);
    expect(await client.status()).toMatchObject({ available: true, kind: 'keyfile' });
    await client.close();
  });
});

describe('others', () => {
  const refused = async (to: RemoteKeys): Promise<string> => {
    const client = clientOf(to, 400);
    try {
      await client.status();
      return 'answered';
    } catch (error) {
      const { code, fields } = error as { code: string; fields: { cause?: string } };
      expect(code).toBe('key.unavailable');
      return fields.cause ?? 'none';
    } finally {
      await client.close();
    }
  };
  const told = (finding: string): Promise<true> =>
    until(() => troubles.some(({ fields }) => 'finding' in fields && fields.finding === finding));

  test('a name that is not configured', async () => {
    expect(await refused(await remote('node-c.test'))).not.toBe('answered');
    await told('name');
  });

  test('a certificate of another CA, one that has run out, or none', async () => {
    const stranger = await (await newAuthority()).issue('node-a.test');
    expect(await refused(await remote('', filesOf(stranger)))).toMatch(/closed|ECONN|EPIPE/);
    const old = await authority.issue('node-a.test', [-20, -1]);
    expect(await refused(await remote('', filesOf(old)))).toMatch(/closed|ECONN|EPIPE/);
    await told('certificate');
    await told('run-out');
    const socket = connectTls({
      host: '127.0.0.1',
      port: process1.port,
      servername: serverName,
      ca: authority.certificate,
    });
    const answers: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => answers.push(chunk));
    socket.on('error', () => undefined);
    // A frame with one `status` call; whoever is let in gets an answer.
    const status = Buffer.from('00000009000000010600000000', 'hex');
    socket.on('secureConnect', () => socket.write(status));
    await new Promise((resolve) => socket.once('close', resolve));
    expect(answers).toEqual([]);
  });

  test('TLS 1.2, whatever its certificate', async () => {
    const { certificate, key } = await authority.issue('node-a.test');
    const socket = connectTls({
      host: '127.0.0.1',
      port: process1.port,
      servername: serverName,
      ca: authority.certificate,
      cert: certificate,
      key,
      maxVersion: 'TLSv1.2',
    });
    const error = await new Promise<NodeJS.ErrnoException>((resolve) =>
      socket.once('error', resolve),
    );
    expect(error.code).toMatch(/PROTOCOL_VERSION/);
  });

  test('a service whose certificate has another name or CA gets no call of a node', async () => {
    expect(await refused(await remote('node-a.test', { name: 'other.test' }))).toBe(
      'ERR_TLS_CERT_ALTNAME_INVALID',
    );
    const ca = file('other-ca.pem', (await newAuthority()).certificate);
    expect(await refused(await remote('node-a.test', { ca }))).toMatch(/VERIFY|SIGNATURE|ISSUER/);
  });

  test('are in the ledger', async () => {
    const port = process1.port ?? 0;
    await process1.close();
    const { rows } = await db.database.pool.query<{ text: string }>(
      `SELECT convert_from(b, 'UTF8') AS text FROM audit_inbox, unnest(bodies) AS b`,
    );
    const text = rows.map((row) => row.text).join('\n');
    expect(text).toContain('stranger tls name');
    expect(text).toContain('stranger tls certificate');
    process1 = await start(port);
  });
});

test('`postseal key serve` is this service alone, from a configuration', async () => {
  const port = process1.port ?? 0;
  await process1.close();
  const passphrase = { file: file('passphrase', 'a passphrase for tests') };
  const path = file(
    'postseal.json',
    JSON.stringify({
      home: folder,
      keys: { store: 'keyfile', keyfile: { passphrase } },
      keyService: { listen: { ...listener, port } },
    }),
  );
  await expect(startKeyServer(loadConfig(path, {}))).rejects.toMatchObject({
    code: 'config.invalid',
    fields: { '/database/url': expect.anything() },
  });
  const server = await startKeyServer(loadConfig(path, { DATABASE_URL: db.url }));
  expect(server.readyLine).toBe(`postseal ready keys=127.0.0.1:${String(port)}`);
  const client = clientOf(await remote('node-a.test'));
  expect(await client.status()).toMatchObject({ available: true });
  await client.close();
  await server.stop();
  process1 = await start(port);
});

test('the configuration wants all of a listener or of another key service, and never both', () => {
  const nobody = { host: '0.0.0.0', port: 7443, certificate: 'a', key: 'b', clientCa: 'c' };
  const listen = { ...nobody, clients: ['node-a.test'] };
  const other = {
    ...{ host: 'k', port: 7443, name: 'k.test', serverCa: 'a', certificate: 'b', key: 'c' },
  };
  const at = (keyService: object) => findProblems({ keyService }).map((finding) => finding.at);
  expect(at({ listen })).toEqual([]);
  expect(at({ remote: other })).toEqual([]);
  expect(at({ listen, remote: other })).toEqual(['/keyService/remote']);
  expect(at({ listen: nobody })).toEqual(['/keyService/listen']);
  expect(at({ listen: { ...listen, clients: ['*'] } })).toHaveLength(1);
  expect(at({ remote: { host: 'k' } })).toHaveLength(5);
});
