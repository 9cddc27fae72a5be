// Homes that earlier versions wrote open under this one, say the same as then, and can be written on.
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import { RawImap } from '../e2e/raw-imap.ts';
import type { TestHome, TestServer } from '../harness/server.ts';
import {
  filesBelow,
  homesFolder,
  readManifest,
  sha256,
  type StoredAccount,
  storedHomes,
  type StoredLedger,
} from './manifest.ts';
import { readAccount } from './read-account.ts';
import { isOfTheHome, restoreHome } from './restore-home.ts';

const bytesMax = 300_000;
/** Starts of servers on a busy machine. */
const startMs = 180_000;

function auditorReads(home: string): StoredLedger & { readonly verdict: string } {
  const program = resolve(homesFolder, '../../audit/verifier/main.ts');
  const said = execFileSync(process.execPath, [program, join(home, 'ledger'), '--json']);
  const { origin, size, root, verdict } = JSON.parse(said.toString()) as ReturnType<
    typeof auditorReads
  >;
  return { origin, size, root, verdict };
}

test('there is a home to open', () => {
  expect(storedHomes().length).toBeGreaterThan(0);
});

describe.each(storedHomes())('home %s', (name) => {
  const folder = join(homesFolder, name);
  const manifest = readManifest(folder);
  const digestOf = (path: string): string => sha256(readFileSync(join(folder, path)));
  let home: TestHome;
  let server: TestServer;
  let ledgerOfThen: ReturnType<typeof auditorReads>;
  let opening: Promise<void>;
  const open = async (): Promise<void> => {
    home = await restoreHome(folder);
    try {
      ledgerOfThen = auditorReads(home.home);
      server = await home.start();
    } catch (error) {
      home.remove();
      throw error;
    }
  };
  beforeAll(() => (opening = open()), startMs);
  // Waits for a start that took longer than its hook may: its server must not outlive the run.
  afterAll(async () => {
    const opened = await opening.then(
      () => true,
      () => false,
    );
    if (!opened) return;
    await server.stop();
    home.remove();
  }, startMs);

  const inboxOf = (account: StoredAccount) => account.folders.find((f) => f.name === 'INBOX')!;

  test('its files are as they were stored, small, and none is a secret of a machine', () => {
    const paths = filesBelow(folder).filter((path) => path !== 'manifest.json');
    expect(Object.fromEntries(paths.map((path) => [path, digestOf(path)]))).toEqual(manifest.files);
    const known =
      /^(packs\/.+|ledger\/.+|keys\/[a-z]+\.sealed|signer\/state|node-name|key-store\.json|database\/[a-z_]+\.copy\.gz)$/;
    expect(paths.filter((path) => !known.test(path))).toEqual([]);
    const bytes = [...paths, 'manifest.json'].map((path) => statSync(join(folder, path)).size);
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(bytesMax);
    const clear = paths.map((path) => {
      const stored = readFileSync(join(folder, path));
      return (path.endsWith('.gz') ? gunzipSync(stored) : stored).toString('latin1');
    });
    expect(clear.filter((text) => /PRIVATE KEY|A plain message|Stored once/.test(text))).toEqual(
      [],
    );
    expect(manifest.testPassphrase).toMatch(/^TEST SECRET/);
  });

  test('the auditor finds its ledger clean, with the size and root of then', () => {
    // A published partial tile is never written again, whatever the server does since.
    for (const [path, { sha256: digest }] of Object.entries(manifest.beginnings)) {
      expect([path, sha256(readFileSync(join(home.home, path)))]).toEqual([path, digest]);
    }
    expect(Object.keys(manifest.files).filter(isOfTheHome).length).toBeGreaterThan(5);
    expect(ledgerOfThen).toEqual({ ...manifest.ledger, verdict: 'clean' });
  });

  test(
    'every account sees what it saw',
    async () => {
      for (const account of manifest.accounts) {
        const seen = await readAccount(server.ports.imaps, account);
        // A newer version may show more about a message, but nothing else.
        expect(seen).toMatchObject(account);
        const digests = seen.folders.flatMap(({ messages }) => messages).map((m) => m.sha256);
        expect(digests.length).toBeGreaterThan(1);
        const handedIn = Object.values(manifest.handedIn);
        expect(digests.filter((digest) => !handedIn.includes(digest))).toEqual([]);
      }
    },
    startMs,
  );

  test(
    'mail comes in and goes out again, and what was there stays',
    async () => {
      const [account] = manifest.accounts;
      const { status, messages } = inboxOf(account!);
      const bytes = Buffer.from('From: new@example.org\r\nSubject: new\r\n\r\nWritten later.\r\n');
      const lmtp = await LmtpClient.connect('127.0.0.1', server.ports.lmtp);
      await lmtp.deliver('new@example.org', account!.name, bytes);
      await lmtp.quit();
      const client = await RawImap.signedIn(server.ports.imaps, account!);
      expect((await client.literalCommand('APPEND INBOX (\\Flagged)', bytes)).status).toBe('OK');
      await client.ok('SELECT INBOX');
      const old = messages[0]!.uid;
      await client.ok(`UID STORE ${old} +FLAGS (\\Deleted)`);
      await client.ok(`UID EXPUNGE ${old}`);
      await client.logout();
      const after = inboxOf(await readAccount(server.ports.imaps, account!));
      const next = Number(status['UIDNEXT']);
      expect(after.status['UIDVALIDITY']).toBe(status['UIDVALIDITY']);
      expect(after.messages.map(({ uid }) => uid)).toEqual([
        ...messages.slice(1).map(({ uid }) => uid),
        next,
        next + 1,
      ]);
      expect(after.messages.slice(0, -2)).toMatchObject(messages.slice(1));
      expect(after.messages.slice(-2).map((m) => m.sha256)).toEqual([sha256(bytes), sha256(bytes)]);
    },
    startMs,
  );

  test('it keeps from now on where its keys are', () => {
    const { store } = manifest.config['keys'] as { readonly store: string };
    expect(JSON.parse(readFileSync(join(home.home, 'key-store.json'), 'utf8'))).toMatchObject({
      format: 'postseal/key-store/1',
      kind: store,
    });
  });

  test(
    'a person of then signs in and reads the ledger of then',
    async () => {
      const person = manifest.persons.find((one) => one.name === 'auditadmin')!;
      await home.ok(['person', 'login', person.name, '--password-stdin'], person.password);
      const rows = await home.ok(['ledger', 'query', '--op', 'message.expunged']);
      expect(rows).toContain('message.expunged');
    },
    startMs,
  );

  test(
    'scrub, and both verifiers of a ledger that has grown on the old one, find nothing',
    async () => {
      await home.ok(['scrub']);
      expect(await server.stop()).toBe(0);
      await home.ok(['ledger', 'verify']);
      const report = auditorReads(home.home);
      expect(report).toMatchObject({ verdict: 'clean', origin: manifest.ledger.origin });
      expect(report.size).toBeGreaterThan(manifest.ledger.size);
    },
    startMs,
  );
});
