// Configuration as an operator writes it: complete without a file, strict with one, secrets apart.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { PostsealError } from '../../../src/kernel/errors.ts';
import { configDigest, describeConfig } from '../../../src/platform/config/describe-config.ts';
import { readHomeKeys, writeHomeKeys } from '../../../src/platform/config/home-keys.ts';
import { findProblems, loadConfig } from '../../../src/platform/config/load-config.ts';
import { configReference } from '../../../src/platform/config/reference.ts';
import { configDefaults } from '../../../src/platform/config/schema.ts';
import { readTokenChoice } from '../../../src/platform/config/token-choice.ts';

const folder = mkdtempSync(join(tmpdir(), 'postseal-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const environment = { POSTSEAL_HOME: join(folder, 'home') };
let count = 0;
function fileOf(content: unknown): string {
  const path = join(folder, `${(count += 1)}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}
function failure(content: unknown, env: NodeJS.ProcessEnv = environment): PostsealError {
  try {
    loadConfig(fileOf(content), env);
  } catch (error) {
    if (error instanceof PostsealError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('loadConfig', () => {
  test('is complete without a file, with the ports of the contract, on loopback', () => {
    const config = loadConfig(undefined, environment);
    expect(config.home).toBe(environment.POSTSEAL_HOME);
    expect(config.listeners.imap).toEqual({ enabled: true, host: '127.0.0.1', port: 1143 });
    const ports = Object.entries(config.listeners).map(([name, { port }]) => [name, port]);
    expect(Object.fromEntries(ports)).toEqual({
      imap: 1143,
      imaps: 1993,
      lmtp: 1024,
      smtp: 2525,
      console: 8443,
      metrics: 9464,
    });
    expect(config.imap.allowCleartextLoopback).toBe(false);
    expect(config.organisation.domain).toBe('example.com');
    expect(config.workers).toBeGreaterThanOrEqual(1);
    expect(config.database.url).toBeUndefined();
    expect(findProblems(configDefaults)).toEqual([]);
  });

  test('overlays object by object and resolves paths from the file', () => {
    const path = fileOf({
      home: 'state',
      listeners: { imap: { port: 0 } },
      keys: { pkcs11: { module: 'lib/hsm.so' } },
    });
    const config = loadConfig(path, {});
    expect(config.home).toBe(join(folder, 'state'));
    expect(config.listeners.imap).toEqual({ enabled: true, host: '127.0.0.1', port: 0 });
    expect(config.listeners.imaps.port).toBe(1993);
    expect(config.keys).toMatchObject({ store: 'pkcs11', chosenBy: 'configuration' });
    expect(config.keys.pkcs11.module).toBe(join(folder, 'lib', 'hsm.so'));
  });

  test('names every finding at once with its pointer and never a value', () => {
    const error = failure({
      listeners: { imap: { port: 'canary-value' }, imapx: {} },
      limits: { messageBytes: 1 },
      workers: -1,
      tls: { minVersion: 'canary-value' },
    });
    expect(error.code).toBe('config.invalid');
    expect(error.exit).toBe(78);
    expect(Object.keys(error.fields).sort()).toEqual([
      '/limits/messageBytes',
      '/listeners/imap/port',
      '/listeners/imapx',
      '/tls/minVersion',
      '/workers',
      'file',
    ]);
    expect(error.fields['/listeners/imapx']).toContain('not known');
    expect(JSON.stringify(error.fields)).not.toContain('canary');
  });

  test('refuses what only the whole can tell', () => {
    expect(failure({ listeners: { lmtp: { port: 1143 } } }).fields).toMatchObject({
      '/listeners/lmtp/port': 'is the port of imap too',
    });
    expect(failure({ tls: { key: 'k.pem' } }).fields).toMatchObject({
      '/tls': 'certificate and key go together',
    });
    for (const name of ['smtp', 'console']) {
      expect(failure({ listeners: { [name]: { enabled: true } } }).fields).toEqual({
        [`/listeners/${name}/enabled`]: 'this version has no such listener',
        file: expect.any(String),
      });
    }
    const production = { production: true, imap: { allowCleartextLoopback: true } };
    expect(Object.keys(failure(production).fields)).toEqual(
      expect.arrayContaining(['/keys/store', '/imap/allowCleartextLoopback']),
    );
  });

  test('a file that is absent or no JSON is one finding', () => {
    expect(failure('{ "home": canary }').fields).toMatchObject({ '/': 'is not JSON' });
    expect(() => loadConfig(join(folder, 'absent.json'), environment)).toThrow(
      expect.objectContaining({ code: 'config.invalid' }),
    );
  });

  test('finds the file by argument, variable and home, in this order', () => {
    const home = join(folder, 'with-file');
    mkdirSync(home);
    writeFileSync(join(home, 'postseal.json'), '{"workers": 3}');
    const env = { POSTSEAL_HOME: home };
    expect(loadConfig(undefined, env).workers).toBe(3);
    const named = { ...env, POSTSEAL_CONFIG: fileOf({ workers: 4 }) };
    expect(loadConfig(undefined, named).workers).toBe(4);
    expect(loadConfig(fileOf({ workers: 5 }), named).workers).toBe(5);
  });

  test('reads secrets from variable and file, and refuses one in the file itself', () => {
    const secretFile = join(folder, 'pin.txt');
    writeFileSync(secretFile, '98765\n');
    const content = {
      database: { url: { env: 'DB' } },
      keys: { store: 'pkcs11', pkcs11: { pin: { file: 'pin.txt' } } },
    };
    const config = loadConfig(fileOf(content), { ...environment, DB: 'postgresql://x/y' });
    expect(config.keys.pkcs11.pin?.exposeText()).toBe('98765');
    expect(config.database.url?.exposeText()).toBe('postgresql://x/y');
    expect(describeConfig(config)).not.toContain('98765');
    expect(describeConfig(config)).not.toContain('postgresql:');

    const missing = failure(content);
    expect(missing.code).toBe('config.secret-missing');
    expect(missing.fields).toEqual({ pointer: '/database/url', env: 'DB' });
    expect(failure({ keys: { pkcs11: { pin: '98765' } } }).fields).toMatchObject({
      '/keys/pkcs11/pin': 'must be object',
    });
  });

  test('DATABASE_URL wins over the file', () => {
    const path = fileOf({ database: { url: { env: 'DB' } } });
    const env = { ...environment, DB: 'postgresql://a/b', DATABASE_URL: 'postgresql://c/d' };
    expect(loadConfig(path, env).database.url?.exposeText()).toBe('postgresql://c/d');
  });

  test('is frozen to the bottom, and its digest changes with content, not with key order', () => {
    const config = loadConfig(fileOf({ workers: 2, production: false }), environment);
    expect(() => Object.assign(config.listeners.imap, { port: 1 })).toThrow(TypeError);
    const same = loadConfig(fileOf({ production: false, workers: 2 }), environment);
    const other = loadConfig(fileOf({ workers: 1 }), environment);
    expect(configDigest(same)).toBe(configDigest(config));
    expect(configDigest(other)).not.toBe(configDigest(config));
  });
});

describe('a home that keeps its key store', () => {
  const home = join(folder, 'started');
  mkdirSync(home);
  const env = { POSTSEAL_HOME: home };
  const token = {
    kind: 'pkcs11',
    profile: 'nss-softokn',
    module: '/a.so',
    tokenLabel: 'x',
  } as const;

  test('is believed more than the set-up of the checkout, and secrets still come from the file', () => {
    writeHomeKeys(home, token);
    expect(readHomeKeys(home)).toEqual(token);
    const config = loadConfig(fileOf({ keys: { pkcs11: { pin: { env: 'PIN' } } } }), {
      ...env,
      PIN: '98765',
    });
    expect(config.keys).toMatchObject({ store: 'pkcs11', chosenBy: 'home' });
    const { pin, ...pkcs11 } = config.keys.pkcs11;
    expect(pkcs11).toEqual({ profile: 'nss-softokn', module: '/a.so', tokenLabel: 'x' });
    expect(pin?.exposeText()).toBe('98765');
    writeHomeKeys(home, { kind: 'keyfile' });
    expect(loadConfig(undefined, env).keys).toMatchObject({ store: 'keyfile', chosenBy: 'home' });
  });

  test('the same store may be named, and another path of its module; what differs is refused as a whole', () => {
    writeHomeKeys(home, token);
    const keys = { store: 'pkcs11', pkcs11: { profile: 'nss-softokn', tokenLabel: 'x' } };
    expect(loadConfig(fileOf({ keys }), env).keys.pkcs11.module).toBe('/a.so');
    const moved = { pkcs11: { module: '/b.so' } };
    expect(loadConfig(fileOf({ keys: moved }), env).keys.pkcs11).toMatchObject({
      module: '/b.so',
      profile: 'nss-softokn',
    });
    const other = { pkcs11: { profile: 'softhsm2', tokenLabel: 'y' } };
    expect(failure({ keys: other }, env)).toMatchObject({
      code: 'key.store-mismatch',
      exit: 78,
      fields: {
        '/keys/pkcs11/profile': 'softhsm2, but the home has nss-softokn',
        '/keys/pkcs11/tokenLabel': 'y, but the home has x',
      },
    });
    writeHomeKeys(home, { kind: 'keyfile' });
    expect(failure({ keys: moved }, env)).toMatchObject({ code: 'key.store-mismatch' });
  });

  test.each(['', '{', 'null', '{"kind":"keyfile"}', '{"format":"postseal/key-store/1"}'])(
    'a file of it that reads %j is refused, not passed over',
    (text) => {
      writeFileSync(join(home, 'key-store.json'), text);
      expect(failure({}, env)).toMatchObject({
        code: 'key.store-mismatch',
        fields: { file: join(home, 'key-store.json') },
      });
    },
  );
});

describe('readTokenChoice', () => {
  test('takes what the set-up wrote, and the default profile for anything else', () => {
    const path = fileOf({ profile: 'nss-softokn', module: '/x.so' });
    expect(readTokenChoice(path)).toEqual({ profile: 'nss-softokn', module: '/x.so' });
    for (const odd of ['', 'null', '{"profile": 1}']) {
      expect(readTokenChoice(fileOf(odd))).toEqual({ profile: 'softhsm2', module: undefined });
    }
  });
});

describe('configReference', () => {
  test('docs/reference/config.md is what the fragments say (npm run docs writes it)', () => {
    const page = new URL('../../../docs/reference/config.md', import.meta.url);
    expect(readFileSync(page, 'utf8')).toBe(configReference());
  });

  test('describes every key', () => {
    const silent = configReference()
      .split('\n')
      .filter((line) => line.startsWith('| `/') && line.endsWith('|  |'));
    expect(silent).toEqual([]);
  });
});
