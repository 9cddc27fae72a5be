// One changed byte anywhere – a ledger row, a tile, a bundle, a checkpoint, a pack, a wrapped key, a cell
// – is found by the commands of an operator, who is told the place and gets exit code 70; changed back,
// both are clean again.
import { chmodSync, globSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import { createTestHome, type TestHome } from '../harness/server.ts';
import { openHomeDatabase, type OpenedDatabase, withDatabase } from './home-database.ts';
import { RawImap } from './raw-imap.ts';

let home: TestHome;
let database: OpenedDatabase | undefined;

const message = (n: number, bytes: number): Buffer => {
  const line = (i: number): string =>
    `${n}-${i} ${((i + n) * 2_654_435_761).toString(36).repeat(5)}\r\n`;
  const lines = Array.from({ length: Math.ceil(bytes / 60) }, (_, i) => line(i));
  return Buffer.from(`From: a@example.org\r\nSubject: mail ${n}\r\n\r\n${lines.join('')}`);
};

beforeAll(async () => {
  home = createTestHome({ workers: 1 });
  const server = await home.start();
  const account = await home.createAccount('tamper@example.com');
  const lmtp = await LmtpClient.connect('127.0.0.1', server.ports.lmtp);
  for (let n = 0; n < 12; n += 1)
    await lmtp.deliver('a@example.org', account.name, message(n, 3_000));
  await lmtp.deliver('a@example.org', account.name, message(12, 1_500_000));
  await lmtp.quit();
  const client = await RawImap.signedIn(server.ports.imaps, account);
  await client.literalCommand('APPEND INBOX (\\Seen)', message(13, 900));
  await client.ok('SELECT INBOX');
  await client.ok('FETCH 1:* (ENVELOPE BODY.PEEK[])');
  await client.logout();
  expect(await server.stop()).toBe(0);
}, 180_000);
afterAll(async () => {
  await database?.stop();
  home.remove();
});

interface Flip {
  /** What the command must name. */
  readonly place: string;
  readonly undo: () => Promise<void> | void;
}

const path = (pattern: string): string => {
  // The newest of several, as a server of today would read it.
  const found = globSync(pattern, { cwd: home.home }).sort(
    (a, b) => a.length - b.length || a.localeCompare(b),
  );
  const last = found.at(-1);
  if (last === undefined) throw new Error(`no ${pattern}`);
  return last;
};

function flipFile(file: string, at: number): Flip {
  const full = join(home.home, file);
  const { mode } = statSync(full);
  const before = readFileSync(full);
  const write = (bytes: Buffer): void => {
    chmodSync(full, 0o600);
    writeFileSync(full, bytes);
    chmodSync(full, mode & 0o777);
  };
  const changed = Buffer.from(before);
  const index = at < 0 ? changed.length + at : at;
  changed.writeUInt8(changed.readUInt8(index) ^ 1, index);
  write(changed);
  return { place: file.replace('ledger/', ''), undo: () => write(before) };
}

/** The pack of a kind (1 shared, 2 single: docs/formats/pack.md). */
function pack(kind: number): string {
  const found = globSync('packs/*/*.pack', { cwd: home.home }).find(
    (file) => readFileSync(join(home.home, file))[5] === kind,
  );
  if (found === undefined) throw new Error(`no pack of kind ${kind}`);
  return found;
}

function flipPack(kind: number, at: number): Flip {
  const file = pack(kind);
  const [, id = ''] = /([0-9a-f-]{36})\.pack$/.exec(file) ?? [];
  return { ...flipFile(file, at), place: id };
}

/** Changes one byte of one row as a superuser with the triggers off, so that nothing notices at once. */
async function flipRow(
  table: string,
  column: string,
  at: number,
  where: string,
  place: (row: Readonly<Record<string, unknown>>) => string,
): Promise<Flip> {
  const change = (): Promise<string> =>
    withDatabase(home.home, async (query) => {
      const [row] = await query(
        `SELECT *, tableoid::regclass::text AS part, ctid::text AS tuple FROM ${table} WHERE ${where} ORDER BY 1, 2 LIMIT 1`,
      );
      if (row === undefined) throw new Error(`no row in ${table}`);
      const { part, tuple } = row as { part: string; tuple: string };
      const triggers = await query(
        `SELECT format('ALTER TABLE ${part} ENABLE %s TRIGGER %I',
                       CASE tgenabled WHEN 'A' THEN 'ALWAYS' ELSE '' END, tgname) AS enable
           FROM pg_trigger WHERE tgrelid = '${part}'::regclass AND NOT tgisinternal`,
      );
      await query(`ALTER TABLE ${part} DISABLE TRIGGER USER`);
      const changed = await query(
        `UPDATE ${part} SET ${column} = set_byte(${column}, ${at}, get_byte(${column}, ${at}) # 1)
          WHERE ctid = '${tuple}' RETURNING 1`,
      );
      for (const { enable } of triggers) await query(String(enable));
      expect(changed).toHaveLength(1);
      return place(row);
    });
  return {
    place: await change(),
    undo: async () => {
      await change();
    },
  };
}

const inLog = (row: Readonly<Record<string, unknown>>): string =>
  `audit_log seq ${String(row['seq'])}`;
const ofCustodian = (row: Readonly<Record<string, unknown>>): string => String(row['custodian_id']);
const tenth = "seq = 10 AND op <> ''";
const firstRecord = 'record_no = (SELECT min(record_no) FROM record)';

const ledgerFlips: [string, () => Flip | Promise<Flip>][] = [
  ['the body of a row', () => flipRow('audit_log', 'body', 60, tenth, inLog)],
  ['the leaf hash of a row', () => flipRow('audit_log', 'leaf', 3, tenth, inLog)],
  ['the chain of a row', () => flipRow('audit_log', 'chain', 31, tenth, inLog)],
  ['the head', () => flipRow('audit_head', 'chain', 0, 'true', () => 'audit_head')],
  ['a tile', () => flipFile(path('ledger/tile/0/**/*'), 33)],
  ['an entry bundle', () => flipFile(path('ledger/tile/entries/**/*'), 200)],
  ['the root in the checkpoint', () => flipFile('ledger/checkpoint', 60)],
  ['the signature of the checkpoint', () => flipFile('ledger/checkpoint', -9)],
  ['a kept checkpoint', () => flipFile(path('ledger/checkpoints/**/*'), 40)],
  ['what the signer remembers', () => flipFile('signer/state', -12)],
];
const archiveFlips: [string, () => Flip | Promise<Flip>][] = [
  ['the payload of a shared pack', () => flipPack(1, 32 + 32 + 100)],
  ['a frame header of a shared pack', () => flipPack(1, 32 + 20)],
  ['the header of a shared pack', () => flipPack(1, 10)],
  ['the footer of a shared pack', () => flipPack(1, -60)],
  ['the payload of a large body', () => flipPack(2, 100_000)],
  ['the last byte of a large body', () => flipPack(2, -1)],
  ['a wrapped content key', () => flipRow('content_wrap', 'wrap', 40, 'true', ofCustodian)],
  ['a sealed cell', () => flipRow('metadata_cell', 'cell', 70, firstRecord, ofCustodian)],
  [
    'the wrapped key of a cell',
    () => flipRow('metadata_cell', 'wrap', 50, firstRecord, ofCustodian),
  ],
  ['a wrapped group key', () => flipRow('group_key', 'wrap', 45, 'true', ofCustodian)],
  ['a wrapped custodian key', () => flipRow('custodian_key', 'wrap', 40, 'true', ofCustodian)],
  [
    'a wrapped names key',
    () => flipRow('custodian_slot_key', 'wrap', 45, "slot = 'names'", ofCustodian),
  ],
  [
    'the wrapped dedup key',
    () => flipRow('organisation_key', 'wrap', 40, 'true', () => 'organisation'),
  ],
];

async function expectFound(
  command: readonly string[],
  flip: () => Flip | Promise<Flip>,
): Promise<void> {
  const { place, undo } = await flip();
  const found = await home.run(command);
  await undo();
  const { code, stdout, stderr } = found;
  expect({ code, named: stdout.includes(place), stderr }).toEqual({
    code: 70,
    named: true,
    stderr: '',
  });
}

test('a stopped home is clean for both commands', async () => {
  expect(await home.ok(['ledger', 'verify'])).toMatch(/\nclean\n$/);
  expect(await home.ok(['scrub'])).toMatch(/\nclean\n$/);
  const flip = flipFile('ledger/checkpoint', 60);
  expect((await home.run(['ledger', 'verify'])).code).toBe(70);
  await flip.undo();
  // From here on PostgreSQL stays up: each command would start it and stop it for itself.
  database = await openHomeDatabase(home.home);
}, 120_000);

test.each(ledgerFlips)(
  'ledger verify finds one changed byte in %s',
  async (_name, flip) => {
    await expectFound(['ledger', 'verify'], flip);
  },
  120_000,
);

test.each(archiveFlips)(
  'scrub finds one changed byte in %s',
  async (_name, flip) => {
    await expectFound(['scrub'], flip);
  },
  120_000,
);

test('with every byte changed back, and stopped again, the home is clean', async () => {
  await database?.stop();
  database = undefined;
  expect(await home.ok(['ledger', 'verify'])).toMatch(/\nclean\n$/);
  expect(await home.ok(['scrub'])).toMatch(/\nclean\n$/);
}, 120_000);
