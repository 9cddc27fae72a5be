// An erasure is final, on whole homes: one message in a folded page and one in a cell are erased after a data backup,
// the key generation is switched and destroyed, the home is lost. The old data backup with the newest key state
// gives everything back but these two, and no wrap of theirs, from the base backup or its WAL, opens with any key
// that is left. What came after the last key state is read from the WAL.
import { createHash, randomBytes } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import { keyStoreChoice } from '../../src/app/key-child.ts';
import { keySocketOf, nodeName } from '../../src/app/node-context.ts';
import { openServices } from '../../src/app/services.ts';
import { foldMetadata } from '../../src/archive/fold-metadata.ts';
import type { CustodianId, OrganisationId, RecordId, RecordNo } from '../../src/kernel/ids.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { loadConfig } from '../../src/platform/config/load-config.ts';
import { socketUrl } from '../../src/platform/postgres/bootstrap.ts';
import { clusterFiles, readCredentials } from '../../src/platform/postgres/cluster.ts';
import { prepareRunFolder } from '../../src/platform/postgres/run-folder.ts';
import { openKeyStore } from '../../src/vault/keys/open-key-store.ts';
import type { KeyStore } from '../../src/vault/keys/key-store.ts';
import { createMemoryLog } from '../harness/memory-log.ts';
import { type Account, createTestHome, type TestHome, type TestServer } from '../harness/server.ts';
import { stateWraps, walOf } from './backup-contents.ts';
import { custodianKeys, type KeyWrap, openWithAny, wrapsIn } from './every-key.ts';
import { openHomeDatabase, type Rows, withDatabase } from './home-database.ts';
import { whenAllGone } from './home-processes.ts';
import { RawImap } from './raw-imap.ts';

jest.setTimeout(600_000);

const scratch = mkdtempSync(join(tmpdir(), 'postseal-finality-'));
const target = join(scratch, 'target');
const old = join(scratch, 'old');
const keys = join(scratch, 'keys');
const homes: TestHome[] = [];
let lost: TestHome;
let server: TestServer | undefined;
let ann: Account;
let bob: Account;
let organisation: OrganisationId;
let custodian: CustodianId;
/** Digests of ann's messages by uid, those that are erased, and what came after the last key state. */
let before: Map<number, string>;
const gone = [7, 72];
const late = new Set<string>();
interface Erased {
  readonly record: RecordId;
  readonly number: RecordNo;
  readonly content: string;
}
let erased: Erased[];

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function deliver(to: Account, count: number, into?: Set<string>): Promise<void> {
  const lmtp = await LmtpClient.connect('127.0.0.1', server!.ports.lmtp);
  for (let i = 0; i < count; i += 1) {
    const message = Buffer.from(`Subject: ${i}\r\n\r\n${randomBytes(200).toString('hex')}\r\n`);
    await lmtp.deliver('a@example.org', to.name, message);
    into?.add(digest(message));
  }
  await lmtp.quit();
}

/** Digest of each message of an account's INBOX by uid; of those that do not open, what is answered. */
async function inbox(account: Account, count: number): Promise<Map<number, string>> {
  const client = await RawImap.signedIn(server!.ports.imaps, account);
  await client.ok('EXAMINE INBOX');
  const found = new Map<number, string>();
  for (let uid = 1; uid <= count; uid += 1) {
    const { status, untagged } = await client.command(`UID FETCH ${uid} BODY.PEEK[]`);
    const [bytes] = untagged.flatMap(({ literals }) => literals);
    found.set(uid, status === 'OK' && bytes !== undefined ? digest(bytes) : status);
  }
  await client.logout();
  return found;
}

async function shipped(): Promise<void> {
  const now = Date.now();
  for (;;) {
    const { code, stdout } = await lost.run(['backup', 'list', '--json']);
    const rows = code === 0 ? (JSON.parse(stdout) as { reaches: string }[]) : [];
    const reaches = rows.at(-1)?.reaches;
    if (reaches !== undefined && Date.parse(reaches) > now) return;
    await sleep(200);
  }
}

/** Folds and erases as the rooms of a node do it, beside the running server. */
async function foldAndErase(): Promise<void> {
  const { home } = lost;
  const { superuser } = readCredentials(clusterFiles(home));
  const databaseUrl = socketUrl(prepareRunFolder(home), 'postgres', superuser, 'postseal');
  const context = { home, databaseUrl, organisation, node: nodeName(home) };
  const services = await openServices({
    config: loadConfig(lost.env['POSTSEAL_CONFIG'], lost.env),
    context: { ...context, keySocket: keySocketOf(home) },
    ...{ log: createMemoryLog(), name: 'finality', poolMax: 3 },
  });
  try {
    await foldMetadata({ ...services, db: services.database }, { limitPages: 1 });
    await deliver(ann, 5);
    // A page of 70 records, and cells.
    const pages = await withDatabase(home, (query) =>
      query('SELECT 1 FROM metadata_page WHERE custodian_id = $1', [custodian]),
    );
    expect(pages).toHaveLength(1);
    before = await inbox(ann, 75);
    await backUpOld();
    for (const { record, number } of erased) {
      const ref = { custodian, recordId: record, recordNo: number };
      await services.archive.shred(ref, { actor: systemActor });
    }
  } finally {
    await services.close();
  }
}

/** What a data backup has before the erasure, wraps of the erased ones in its base and in its WAL. */
async function backUpOld(): Promise<void> {
  const rows = await withDatabase(lost.home, (query) =>
    query(
      `SELECT m.uid::int AS uid, r.record_id::text AS record, r.record_no::int AS number, r.content_id::text AS content
         FROM message m JOIN record r USING (custodian_id, record_id)
        WHERE m.custodian_id = $1 AND m.uid = ANY ($2) ORDER BY m.uid`,
      [custodian, gone],
    ),
  );
  expect(rows.map((row) => row['uid'])).toEqual(gone);
  erased = rows as unknown as Erased[];
  await shipped();
  cpSync(target, old, { recursive: true });
  rmSync(join(old, 'keys'), { recursive: true });
}

/** Two of three key custodians let the generation go. */
async function destroyGeneration(): Promise<void> {
  await lost.signIn('secadmin');
  for (const name of ['key1', 'key2', 'key3']) {
    const create = ['person', 'create', name, '--full-name', name, '--role', 'key-custodian'];
    const made = JSON.parse(await lost.ok([...create, '--json'])) as { oneTimePassword: string };
    await lost.ok(['person', 'login', name, '--password-stdin'], made.oneTimePassword);
    await lost.ok(['person', 'password', '--password-stdin'], `long-password-of-${name}`);
    await lost.signIn('secadmin');
  }
  const login = (name: string) =>
    lost.ok(['person', 'login', name, '--password-stdin'], `long-password-of-${name}`);
  await login('key1');
  const answer = JSON.parse(await lost.ok(['key', 'destroy', '1', '--json'])) as {
    proposed: { id: string };
  };
  const { id } = answer.proposed;
  for (const name of ['key2', 'key3']) {
    await login(name);
    await lost.ok(['approval', 'grant', id]);
  }
  // A day must go by between the last grant and the act.
  await withDatabase(lost.home, async (query) => {
    await query('ALTER TABLE approval DISABLE TRIGGER USER');
    await query(
      `UPDATE approval SET decided_at = decided_at - interval '25 hours' WHERE approval_id = $1`,
      [id],
    );
    for (const on of ['insert', 'update', 'delete', 'truncate']) {
      await query(`ALTER TABLE approval ENABLE ALWAYS TRIGGER postseal_guard_${on}`);
    }
    return [];
  });
  await login('key1');
  expect(await lost.ok(['key', 'destroy', '1', '--approval', id])).toContain('is destroyed');
}

beforeAll(async () => {
  lost = createTestHome({
    workers: 1,
    backup: { directory: target, shipSeconds: 1, keyStateSeconds: 3_600 },
    generations: { graceDays: 0 },
  });
  homes.push(lost);
  server = await lost.start();
  await lost.signIn('sysadmin');
  ann = await lost.createAccount('ann@example.com');
  // The base comes first, so that wraps are in the WAL too.
  await shipped();
  await deliver(ann, 35);
  await lost.ok(['backup', 'run', '--full']);
  await deliver(ann, 35);
  const [row] = await withDatabase(lost.home, (query) =>
    query(`SELECT custodian_id::text AS custodian, organisation_id::text AS organisation
             FROM account JOIN custodian USING (custodian_id)`),
  );
  custodian = row?.['custodian'] as CustodianId;
  organisation = row?.['organisation'] as OrganisationId;
  await foldAndErase();
  await lost.signIn('sysadmin');
  await lost.ok(['key', 'rotate']);
  await lost.ok(['key', 'rewrap']);
  await destroyGeneration();
  await lost.signIn('sysadmin');
  // Also keys that are in no key state.
  bob = await lost.createAccount('bob@example.com');
  await deliver(ann, 3, late);
  await deliver(bob, 3, late);
  await shipped();
  await server.kill();
  server = undefined;
  expect(await whenAllGone(lost.home, 30_000)).toEqual([]);
  cpSync(join(lost.home, 'keys'), keys, { recursive: true });
  lost.remove();
});
afterAll(async () => {
  await server?.kill();
  for (const home of homes) home.remove();
  rmSync(scratch, { recursive: true, force: true });
});

async function restored(from: string): Promise<TestHome> {
  const home = createTestHome({ workers: 1 });
  homes.push(home);
  cpSync(keys, join(home.home, 'keys'), { recursive: true });
  const { stdout, stderr, code } = await home.run(['restore', '--from', from]);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  expect(stdout).toMatch(/\nclean\n$/);
  return home;
}

/** With the newest key state, and without: what the thief of the old backup has. */
function oldWithNewestKeys(): string {
  const both = join(scratch, 'both');
  cpSync(old, both, { recursive: true });
  cpSync(join(target, 'keys'), join(both, 'keys'), { recursive: true });
  return both;
}

test('the newest data backup has everything but what was erased, and mail from after the last key state', async () => {
  const home = await restored(target);
  server = await home.start();
  const now = await inbox(ann, 78);
  for (const uid of gone) expect(now.get(uid)).toBe('OK');
  const kept = [...before].filter(([uid]) => !gone.includes(uid));
  expect(kept.map(([uid]) => [uid, now.get(uid)])).toEqual(kept);
  const last = [76, 77, 78].map((uid) => now.get(uid));
  expect(new Set([...last, ...(await inbox(bob, 3)).values()])).toEqual(late);
  expect(await server.stop()).toBe(0);
  server = undefined;
});

test('the old data backup with the newest key state gives back all but what was erased', async () => {
  const home = await restored(oldWithNewestKeys());
  server = await home.start();
  const now = await inbox(ann, 75);
  // They are erased again before anybody sees the home.
  for (const uid of gone) expect(now.get(uid)).toBe('OK');
  expect([...now].filter(([uid]) => !gone.includes(uid))).toEqual(
    [...before].filter(([uid]) => !gone.includes(uid)),
  );
  const client = await RawImap.signedIn(server.ports.imaps, ann);
  await client.ok('EXAMINE INBOX');
  // Of those whose page was sealed anew since, the headers too.
  const envelopes = await client.ok('UID FETCH 1:6,8:71,73:75 ENVELOPE');
  expect(envelopes.untagged.length).toBe(73);
  await client.logout();
  expect(await server.stop()).toBe(0);
  server = undefined;
  expect(await home.ok(['ledger', 'verify'])).toMatch(/\nclean\n$/);
});

test('the old data backup alone does not even start', async () => {
  const home = await restored(old);
  const { code, stderr } = await home.run(['serve']);
  expect([code, stderr]).toEqual([expect.any(Number), expect.stringContaining('postseal: error')]);
  expect(code).not.toBe(0);
});

test('no wrap of the base backup or of the WAL opens what was erased, with any key that is left', async () => {
  const home = createTestHome({ workers: 1 });
  homes.push(home);
  cpSync(keys, join(home.home, 'keys'), { recursive: true });
  await home.ok(['restore', '--from', old]);
  const opened = await openHomeDatabase(home.home);
  let rows: { keys: Rows; groups: Rows; wraps: Rows };
  try {
    rows = await withDatabase(home.home, async (query) => ({
      keys: await query(
        `SELECT key_id::text AS id, version, generation, wrap FROM custodian_key WHERE custodian_id = $1`,
        [custodian],
      ),
      groups: await query(
        `SELECT key_id::text AS id, version, 0 AS generation, wrap FROM group_key WHERE custodian_id = $1`,
        [custodian],
      ),
      wraps: await query(`SELECT content_id::text AS content, wrap FROM content_wrap`),
    }));
  } finally {
    await opened.stop();
  }
  const config = loadConfig(home.env['POSTSEAL_CONFIG'], home.env);
  const place = { folder: join(home.home, 'keys'), organisationId: organisation, first: false };
  const store = await openKeyStore(keyStoreChoice(config), { ...place, role: 'keys' });
  try {
    await tryAll(store, rows);
  } finally {
    await store.close();
  }
});

async function tryAll(
  store: KeyStore,
  rows: { keys: Rows; groups: Rows; wraps: Rows },
): Promise<void> {
  const state = await stateWraps({ target, store, organisation }, custodian);
  // The states from before the switch are dead with their generation.
  expect(state.dead).toBeGreaterThan(0);
  const oldKeys = rows.keys as unknown as KeyWrap[];
  const oldGroups = rows.groups as unknown as KeyWrap[];
  expect([oldKeys.length, oldGroups.length]).toEqual([1, 1]);
  const cks = await custodianKeys(store, { organisation, custodian, generations: 3 }, [
    ...oldKeys,
    ...state.keys,
  ]);
  expect(cks.map(({ version }) => version)).toEqual([2]);
  const groupKeys = [...oldGroups, ...state.groups].flatMap(({ id, version, wrap }) => {
    const key = openWithAny(cks, custodian, 'group-key', id, wrap);
    return key === undefined ? [] : [{ id, version, key }];
  });
  expect(groupKeys.map(({ version }) => version)).toEqual([2]);
  // Under any version that a key that is left might claim to be.
  const parents = groupKeys.flatMap((one) => [1, 2].map((version) => ({ ...one, version })));
  const wal = wrapsIn(await walOf({ target: old, store, organisation }));
  const base = rows.wraps.map((row) => row['wrap'] as Buffer);
  const inWal = new Set(wal.map((wrap) => wrap.toString('hex')));
  for (const { content } of erased) {
    const own = rows.wraps.find((row) => row['content'] === content)?.['wrap'] as Buffer;
    if (content === erased.at(-1)?.content) expect(inWal.has(own.toString('hex'))).toBe(true);
    for (const wrap of [...base, ...wal, ...state.wraps.values()]) {
      expect(openWithAny(parents, custodian, 'dek', content, wrap)).toBeUndefined();
    }
    expect(state.wraps.has(content)).toBe(false);
  }
  // The way of trying is right: what is left opens by it.
  let left = 0;
  for (const [content, wrap] of state.wraps) {
    left += openWithAny(parents, custodian, 'dek', content, wrap)?.length === 32 ? 1 : 0;
  }
  expect(left).toBe(73);
}
