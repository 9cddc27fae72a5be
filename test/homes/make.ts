// Makes a stored home: `node test/homes/make.ts NNNN [--again]`. Usage and rules in README.md.
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { productVersion } from '../../src/app/version.ts';
import { clusterFiles, readCredentials } from '../../src/platform/postgres/cluster.ts';
import { socketUrl } from '../../src/platform/postgres/bootstrap.ts';
import { prepareRunFolder } from '../../src/platform/postgres/run-folder.ts';
import { openHomeDatabase } from '../e2e/home-database.ts';
import { createTestHome, type TestHome, type TestServer } from '../harness/server.ts';
import {
  type Beginning,
  filesBelow,
  homesFolder,
  type Manifest,
  sha256,
  type StoredAccount,
  type StoredLedger,
} from './manifest.ts';
import { readAccount } from './read-account.ts';
import { passphraseFile } from './restore-home.ts';
import * as messages from './story-messages.ts';
import { play } from './story.ts';
import { eventsWaiting, storeTables } from './table-copy.ts';

const testPassphrase = 'TEST SECRET, NOT A SECRET: opens the key files of a home in test/homes';
const bytesMax = 30_000_000;

const config = {
  workers: 1,
  organisation: { name: 'Test home', domain: 'example.com' },
  keys: { store: 'keyfile', keyfile: { passphrase: { file: passphraseFile } } },
} as const;

/** What belongs to a home for ever. Everything else is made anew at a start, or is a secret of its time. */
const kept = /^(packs\/|ledger\/|keys\/[a-z]+\.sealed$|signer\/state$|node-name$|key-store\.json$)/;

async function serve<T>(home: TestHome, work: (server: TestServer) => Promise<T>): Promise<T> {
  const server = await home.start();
  const result = await work(server);
  const code = await server.stop();
  if (code === 0) return result;
  throw new Error(`the server ended with ${code ?? 'a signal'}: ${server.stderr()}`);
}

/** Copies what belongs to a home for ever; a beginning of another file is noted, not copied. */
function storeFiles(home: string, draft: string): Manifest['beginnings'] {
  const paths = filesBelow(home).filter((path) => kept.test(path));
  const beginnings: Record<string, Beginning> = {};
  for (const path of paths) {
    const bytes = readFileSync(join(home, path));
    const wider = widest(paths, path);
    if (wider !== path && readFileSync(join(home, wider)).subarray(0, bytes.length).equals(bytes)) {
      beginnings[path] = { of: wider, bytes: bytes.length, sha256: sha256(bytes) };
    } else cpSync(join(home, path), join(draft, path), { recursive: true });
  }
  return beginnings;
}

/** Of a partial tile: the full tile or the widest partial one of the same place. */
function widest(paths: readonly string[], path: string): string {
  const [, tile] = /^(ledger\/tile\/.+)\.p\/\d+$/.exec(path) ?? [];
  if (tile === undefined) return path;
  if (paths.includes(tile)) return tile;
  const width = (partial: string): number => Number(partial.slice(tile.length + 3));
  const partials = paths.filter((other) => other.startsWith(`${tile}.p/`));
  return partials.sort((a, b) => width(b) - width(a))[0] ?? path;
}

/** One administrator has signed in and chosen a password, the others still have their first one. */
function personsOf(home: string): Manifest['persons'] {
  const lines = readFileSync(join(home, 'first-run.txt'), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const [name = '', oneTime = ''] = line.split(' ');
    const password = name === 'auditadmin' ? `long-password-of-${name}` : oneTime;
    return { name, password };
  });
}

/** Nothing is stored that did not come back as it was handed in. */
function checkStory(accounts: readonly StoredAccount[], handedIn: Record<string, string>): void {
  const found = new Set(
    accounts
      .flatMap(({ folders }) => folders.flatMap(({ messages }) => messages))
      .map((m) => m.sha256),
  );
  const gone = ['passing', 'inDeletedFolder'];
  const wrong = Object.entries(handedIn).filter(
    ([name, sha]) => found.has(sha) === gone.includes(name),
  );
  if (wrong.length > 0) throw new Error(`not as handed in: ${wrong.map(([name]) => name).join()}`);
}

/** What the story is there for; a change of the product that makes one empty needs a longer story. */
const neverEmpty = ['import_item', 'keyword', 'mailbox_snapshot', 'message_history', 'vanished'];

async function storeDatabase(
  home: TestHome,
  draft: string,
  triesLeft = 2,
): ReturnType<typeof storeTables> {
  const { superuser } = readCredentials(clusterFiles(home.home));
  const database = await openHomeDatabase(home.home);
  let waiting: string[];
  try {
    const url = socketUrl(prepareRunFolder(home.home), 'postgres', superuser, 'postseal');
    waiting = await eventsWaiting(url);
    if (waiting.length === 0) return await storeFilled(url, draft);
  } finally {
    await database.stop();
  }
  // A transaction that was open at the stop holds later events back; the next start takes them.
  process.stderr.write(`left in the inbox: ${waiting.join()}\n`);
  if (triesLeft === 0) throw new Error('the inbox does not empty');
  await serve(home, () => Promise.resolve());
  return storeDatabase(home, draft, triesLeft - 1);
}

async function storeFilled(url: string, draft: string): ReturnType<typeof storeTables> {
  const stored = await storeTables(url, draft);
  const empty = stored.tables.filter(({ rows }) => rows === 0).map((table) => table.name);
  const missed = empty.filter((table) => neverEmpty.includes(table));
  if (missed.length > 0) throw new Error(`the story leaves no row in ${missed.join()}`);
  return stored;
}

/** As the auditor sees the ledger; throws unless it is clean. */
function ledgerOf(folder: string): StoredLedger {
  const program = resolve(homesFolder, '../../audit/verifier/main.ts');
  const said = execFileSync(process.execPath, [program, join(folder, 'ledger'), '--json']);
  const { origin, size, root } = JSON.parse(said.toString()) as StoredLedger;
  return { origin, size, root };
}

async function store(home: TestHome, draft: string): Promise<void> {
  writeFileSync(join(home.home, passphraseFile), testPassphrase, { mode: 0o600 });
  const made = await serve(home, async (server) => {
    const accounts = await play(home, server);
    await home.signIn('auditadmin');
    return accounts;
  });
  const stored = await storeDatabase(home, draft);
  const beginnings = storeFiles(home.home, draft);
  const ledger = ledgerOf(home.home);
  // Read afterwards: every read is an event, and the ledger that is stored is to be small.
  const accounts = await serve(home, async ({ ports }) => {
    const read: StoredAccount[] = [];
    for (const account of made) read.push(await readAccount(ports.imaps, account));
    return read;
  });
  const handedIn = Object.fromEntries(
    Object.entries(messages).map(([name, bytes]) => [name, sha256(bytes)]),
  );
  checkStory(accounts, handedIn);
  const files = Object.fromEntries(
    filesBelow(draft).map((path) => [path, sha256(readFileSync(join(draft, path)))]),
  );
  const manifest: Manifest = {
    format: 'postseal/test-home/1',
    about: 'Test data. Every password and the passphrase in this file are public on purpose.',
    version: productVersion,
    made: new Date().toISOString(),
    testPassphrase,
    config,
    ...stored,
    files,
    beginnings,
    ledger,
    handedIn,
    persons: personsOf(home.home),
    accounts,
  };
  writeFileSync(join(draft, 'manifest.json'), `${JSON.stringify(manifest, null, 1)}\n`);
  const bytes = filesBelow(draft).reduce((sum, path) => sum + statSync(join(draft, path)).size, 0);
  if (bytes > bytesMax) throw new Error(`a stored home has at most ${bytesMax} bytes: ${bytes}`);
  process.stdout.write(`${filesBelow(draft).length} files, ${bytes} bytes\n`);
}

async function make(name: string, again: boolean): Promise<void> {
  const folder = join(homesFolder, name);
  if (existsSync(folder) && !again)
    throw new Error(`${name} exists; a released home never changes`);
  const home = createTestHome(config);
  const draft = join(homesFolder, `${name}.draft`);
  rmSync(draft, { recursive: true, force: true });
  try {
    await store(home, draft);
    rmSync(folder, { recursive: true, force: true });
    renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
    home.remove();
  }
}

const { values, positionals } = parseArgs({
  options: { again: { type: 'boolean', default: false } },
  allowPositionals: true,
});
const [name = ''] = positionals;
if (/^\d{4}$/.test(name)) await make(name, values.again);
else {
  process.stderr.write('usage: node test/homes/make.ts NNNN [--again]\n');
  process.exitCode = 64;
}
