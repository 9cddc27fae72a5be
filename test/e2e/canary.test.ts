// Canary strings in every place where a person can put words are found nowhere in the home: not in the
// database (heap, WAL, TOAST), not in packs, ledger, logs or temporary files.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import { createTestHome, type TestHome, type TestServer } from '../harness/server.ts';
import { canaryNeedles, findNeedles } from './canary-needles.ts';
import { openHomeDatabase, withDatabase } from './home-database.ts';
import { RawImap } from './raw-imap.ts';

// One rare beginning for all, so that one pass over the home looks for every one of them.
const mark = `kq${randomBytes(5).toString('hex')}zx`;
const canary = (name: string): string => `${mark}${name}`;
const needles = canaryNeedles(mark);

let home: TestHome;
let server: TestServer;
const scratch = mkdtempSync(join(tmpdir(), 'postseal-canary-'));

beforeAll(async () => {
  // What the most talkative log says must not say it either.
  home = createTestHome({ log: { level: 'debug' }, imap: { allowCleartextLoopback: true } });
  server = await home.start();
}, 180_000);
afterAll(() => {
  home.remove();
  rmSync(scratch, { recursive: true, force: true });
});

function message(from: string): Buffer {
  const attachment = Buffer.from(`the attachment says ${canary('attached')} and ends`);
  return Buffer.from(
    [
      `From: "${canary('sendername')}" <${canary('from')}@example.org>`,
      `To: "${canary('toname')}" <canary@example.com>`,
      `Subject: ${canary('subject')} =?UTF-8?B?${Buffer.from(canary('encoded')).toString('base64')}?=`,
      `X-Unusual: ${canary('header')}`,
      `Message-ID: <${canary('id')}-${from}@example.org>`,
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=cut',
      '',
      '--cut',
      'Content-Type: text/plain; charset=utf-8',
      '',
      `Dear reader, ${canary('body')} is here.`,
      '--cut',
      `Content-Type: text/csv; name="${canary('typename')}.csv"`,
      `Content-Disposition: attachment; filename="${canary('filename')}.csv"`,
      'Content-Transfer-Encoding: base64',
      '',
      attachment.toString('base64'),
      '--cut--',
      '',
    ].join('\r\n'),
  );
}

async function readAndChange(client: RawImap): Promise<void> {
  await client.ok('SELECT INBOX');
  await client.ok('FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER] BODY[] BODY[2.MIME])');
  await client.ok(`FETCH 1:* (BODY.PEEK[HEADER.FIELDS (X-${canary('field')} Subject)])`);
  for (const key of ['BODY', 'TEXT', 'SUBJECT', 'FROM', 'TO', 'KEYWORD']) {
    await client.ok(`SEARCH ${key} ${canary('query')}`);
  }
  await client.ok(`UID SEARCH RETURN (ALL) HEADER X-Unusual ${canary('header')}`);
  await client.ok(`STORE 1:* +FLAGS (${canary('keyword')} \\Flagged)`);
  await client.ok(`COPY 1 "${canary('folder')}/${canary('inner')}"`);
  await client.ok(`ID ("name" "${canary('client')}" "version" "1")`);
}

async function folders(client: RawImap): Promise<void> {
  await client.ok(`CREATE "${canary('folder')}/${canary('inner')}"`);
  await client.ok(`CREATE "${canary('passing')}"`);
  await client.ok(`RENAME "${canary('passing')}" "${canary('renamed')}"`);
  await client.ok(`SUBSCRIBE "${canary('renamed')}"`);
  await client.ok(`DELETE "${canary('renamed')}"`);
  await client.ok(`LIST "" "*${canary('pattern')}*"`);
}

/** What goes wrong is where words end up in logs. */
async function goWrong(client: RawImap): Promise<void> {
  const name = canary('folder');
  expect((await client.command(`CREATE "${name}"`)).status).toBe('NO');
  expect((await client.command(`SELECT "${canary('nofolder')}"`)).status).toBe('NO');
  expect((await client.command(`STORE 1 +FLAGS (${canary('badflag')}{)`)).status).toBe('BAD');
  expect((await client.command(`${canary('verb')} ${canary('argument')}`)).status).toBe('BAD');
  expect((await client.command(`SEARCH CHARSET ${canary('charset')} ALL`)).status).toBe('NO');
  client.destroy();
  const stranger = await RawImap.connect(server.ports.imaps);
  const login = `LOGIN "${canary('login')}@example.com" "${canary('password')}"`;
  expect((await stranger.command(login)).status).toBe('NO');
  expect((await stranger.command(`LOGIN "canary@example.com" "${canary('wrong')}"`)).status).toBe(
    'NO',
  );
  const plain = Buffer.from(`\0${canary('plain')}\0${canary('plainpassword')}`).toString('base64');
  expect((await stranger.command(`AUTHENTICATE PLAIN ${plain}`)).status).toBe('NO');
  stranger.destroy();
  const lmtp = await LmtpClient.connect('127.0.0.1', server.ports.lmtp);
  const sent = lmtp.deliver('a@example.org', `${canary('recipient')}@example.com`, message('lost'));
  await expect(sent).rejects.toThrow('550');
  await lmtp.quit();
  const person = await home.run(
    ['person', 'login', canary('person'), '--password-stdin'],
    canary('personpassword'),
  );
  expect(person.code).toBe(1);
}

/** Every file below the home with the needles that are in it. */
function grep(): string[] {
  return readdirSync(home.home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .flatMap((path) =>
      findNeedles(readFileSync(path), needles).map((found) => `${path}: ${found}`),
    );
}

/** Everything in the database as text: what TOAST compresses, grep would not see. */
async function grepTables(): Promise<string[]> {
  return withDatabase(home.home, async (query) => {
    const tables = await query(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
    );
    const found: string[] = [];
    for (const { name } of tables) {
      for (const { row } of await query(`SELECT t::text AS row FROM ${String(name)} t`)) {
        const text = String(row);
        const bytes = [...text.matchAll(/\\x([0-9a-f]+)/g)].map(([, hex]) =>
          Buffer.from(hex ?? '', 'hex'),
        );
        for (const piece of [Buffer.from(text), ...bytes]) {
          for (const needle of findNeedles(piece, needles))
            found.push(`${String(name)}: ${needle}`);
        }
      }
    }
    return found;
  });
}

test('the search finds a canary in every encoding', () => {
  const word = canary('planted');
  const around = (bytes: Buffer, lead: number): Buffer =>
    Buffer.concat([Buffer.alloc(lead, 65), bytes, Buffer.from(' and more')]);
  const planted = [0, 1, 2].flatMap((lead) => {
    const bytes = around(Buffer.from(word), lead);
    return [
      bytes,
      Buffer.from(bytes.toString('base64')),
      Buffer.from(bytes.toString('base64url')),
      Buffer.from(bytes.toString('hex')),
      Buffer.from(bytes.toString('hex').toUpperCase()),
      around(Buffer.from(word, 'utf16le'), lead),
      around(Buffer.from(word, 'utf16le').swap16(), lead),
      around(Buffer.from(word.toUpperCase()), lead),
    ];
  });
  expect(planted.map((bytes) => findNeedles(bytes, needles).length > 0)).toEqual(
    planted.map(() => true),
  );
  expect(findNeedles(randomBytes(1 << 20), needles)).toEqual([]);
});

test('words of mail, folders, searches and sign-ins stand nowhere in clear', async () => {
  const account = await home.createAccount('canary@example.com');
  const lmtp = await LmtpClient.connect('127.0.0.1', server.ports.lmtp);
  await lmtp.deliver(`${canary('envelope')}@example.org`, account.name, message('lmtp'));
  await lmtp.quit();
  const client = await RawImap.signedIn(server.ports.imaps, account);
  await folders(client);
  await client.literalCommand(`APPEND INBOX (${canary('keyword')})`, message('append'));
  writeFileSync(join(scratch, `${canary('file')}.eml`), message('import'));
  const imported = ['import', 'eml', account.name, scratch, '--folder', canary('importfolder')];
  expect(await home.ok(imported)).toContain('stored 1');
  await readAndChange(client);
  await goWrong(client);
  expect(await grepTables()).toEqual([]);
  await withDatabase(home.home, (query) => query('CHECKPOINT'));
  expect(await server.stop()).toBe(0);
  const size = readdirSync(home.home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
  expect(size).toBeGreaterThan(10_000_000);
  expect(grep()).toEqual([]);
  expect(server.stderr()).not.toContain(mark);
  // The same search finds what is there: in a file, and in a row that PostgreSQL has written out.
  const plant = join(home.home, 'log', 'planted');
  writeFileSync(plant, `x${canary('planted')}`);
  expect(grep()).toEqual([`${plant}: utf8`]);
  rmSync(plant);
  const database = await openHomeDatabase(home.home);
  await withDatabase(home.home, async (query) => {
    await query(`CREATE TABLE planted AS SELECT '${canary('row')}' AS word`);
    await query('CHECKPOINT');
  });
  await database.stop();
  expect(grep().some((line) => line.includes('/data/base/'))).toBe(true);
  expect(grep().some((line) => line.includes('/data/pg_wal/'))).toBe(true);
}, 300_000);
