// An attacker who owns database and disk, knows every format and makes all digests that need no key right
// again: he moves, swaps, cuts and changes what is stored. A reader gets a refusal and never other bytes, and
// `postseal scrub` ends with 70 and names the places. Against a real server, with a message for each attack.
import { closeSync, globSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LmtpClient } from '../../bench/load/lmtp-client.ts';
import { cellRowDigest, wrapRowDigest } from '../../src/archive/row-digest.ts';
import { createFrameDigest } from '../../src/vault/formats/pack.ts';
import { withDatabase } from '../e2e/home-database.ts';
import { RawImap } from '../e2e/raw-imap.ts';
import { type Account, createTestHome, type TestHome, type TestServer } from '../harness/server.ts';

/** A message as the tables know it. */
interface Stored {
  readonly custodian: string;
  readonly record: string;
  readonly recordNo: number;
  readonly content: string;
  readonly group: number;
  readonly wrap: Buffer;
  readonly cell: Buffer;
  readonly cellWrap: Buffer;
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
}

const messages = 24;
/** All of one length, so that no attack is found by a size. */
const mail = (owner: string, n: number): Buffer =>
  Buffer.from(
    `From: a@example.org\r\nSubject: ${owner} ${String(n).padStart(4, '0')}\r\n\r\n${`${owner} ${String(n).padStart(4, '0')} `.repeat(40)}\r\n`,
  );

let home: TestHome;
let server: TestServer;
let accounts: readonly [Account, Account];
let reader: RawImap;
const mine: Stored[] = [];
const theirs: Stored[] = [];
/** Places that the scrub has to name at the end. */
const places: string[] = [];

async function storedOf(account: Account): Promise<Stored[]> {
  return withDatabase(home.home, async (query) => {
    const rows = await query(
      `SELECT r.custodian_id::text AS custodian, r.record_id::text AS record, r.record_no::int AS "recordNo",
              r.content_id::text AS content, w.group_no AS "group", w.wrap, m.cell, m.wrap AS "cellWrap",
              c.pack_id::text AS pack, c.pack_offset::int AS "offset", c.pack_length::int AS length
         FROM account a JOIN record r USING (custodian_id)
         JOIN content_wrap w ON w.custodian_id = r.custodian_id AND w.content_id = r.content_id
         JOIN metadata_cell m ON m.custodian_id = r.custodian_id AND m.record_no = r.record_no
         JOIN content c ON c.content_id = r.content_id
        WHERE a.name = $1 ORDER BY r.record_no`,
      [account.name],
    );
    return rows as unknown as Stored[];
  });
}

const guards = ['insert', 'update', 'delete', 'truncate'].map((on) => `postseal_guard_${on}`);

/** Changes rows with the guards off meanwhile, as the owner of the database can. */
async function forge(table: string, change: string, values: readonly unknown[]): Promise<void> {
  await withDatabase(home.home, async (query) => {
    await query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
    try {
      const changed = await query(`UPDATE ${table} SET ${change} RETURNING 1`, values);
      expect(changed).toHaveLength(1);
    } finally {
      const on = guards.map((name) => `ENABLE ALWAYS TRIGGER ${name}`);
      await query(`ALTER TABLE ${table} ${on.join(', ')}`);
    }
  });
}

/** Reads the whole of message `n` as its owner; its bytes, or the refusal. */
async function read(n: number): Promise<string> {
  const { status, text, untagged } = await reader.command(`FETCH ${n + 1} BODY.PEEK[]`);
  const bytes = untagged.flatMap(({ literals }) => literals);
  return status === 'OK' && bytes.length === 1 ? bytes[0]!.toString() : `${status} ${text}`;
}

const one = (n: number): Stored => mine[n]!;

async function giveWrap(to: Stored, wrap: Buffer, group = to.group): Promise<void> {
  const digest = wrapRowDigest({ custodian: to.custodian, contentId: to.content, group, wrap });
  await forge(
    'content_wrap',
    `wrap = $3, group_no = $4, digest = $5 WHERE custodian_id = $1 AND content_id = $2`,
    [to.custodian, to.content, wrap, group, digest],
  );
  places.push(to.content);
}

async function giveCell(to: Stored, cell: Buffer, wrap: Buffer): Promise<void> {
  const digest = cellRowDigest({ ...to, recordId: to.record, cell, wrap });
  await forge(
    'metadata_cell',
    `cell = $3, wrap = $4, digest = $5 WHERE custodian_id = $1 AND record_no = $2`,
    [to.custodian, to.recordNo, cell, wrap, digest],
  );
}

/** Points a content at another place in the packs. */
const giveBody = (to: Stored, from: Stored): Promise<void> =>
  forge(
    'content',
    `pack_id = f.pack_id, pack_offset = f.pack_offset, pack_length = f.pack_length, pack_digest = f.pack_digest
       FROM (SELECT * FROM content WHERE content_id = $2) f WHERE content.content_id = $1`,
    [to.content, from.content],
  ).then(() => void places.push(to.content));

/** Rewrites the sealed body of a message in its pack, and every digest over it. */
async function rewriteBody(of: Stored, change: (body: Buffer) => void): Promise<void> {
  const [file = ''] = globSync(`packs/*/${of.pack}.pack`, { cwd: home.home });
  const path = join(home.home, file);
  const bytes = readFileSync(path);
  const payload = bytes.subarray(of.offset + 32, of.offset + 32 + of.length);
  change(payload);
  const sum = createFrameDigest();
  sum.update(payload);
  const digest = Buffer.from(sum.finish(bytes.subarray(of.offset, of.offset + 32)));
  digest.copy(bytes, of.offset + 32 + of.length);
  const open = openSync(path, 'r+');
  writeSync(open, bytes, of.offset, of.length + 64, of.offset);
  closeSync(open);
  await forge('content', `pack_digest = $2 WHERE content_id = $1`, [of.content, digest]);
}

beforeAll(async () => {
  home = createTestHome({ workers: 1 });
  server = await home.start();
  const names = ['mine', 'theirs'] as const;
  const made: Account[] = [];
  for (const name of names) made.push(await home.createAccount(`${name}@example.com`));
  accounts = [made[0]!, made[1]!];
  const lmtp = await LmtpClient.connect('127.0.0.1', server.ports.lmtp);
  for (const [i, account] of accounts.entries())
    for (let n = 0; n < messages; n += 1)
      await lmtp.deliver('a@example.org', account.name, mail(names[i]!, n));
  await lmtp.quit();
  mine.push(...(await storedOf(accounts[0])));
  theirs.push(...(await storedOf(accounts[1])));
  reader = await RawImap.signedIn(server.ports.imaps, accounts[0]);
  await reader.ok('SELECT INBOX');
}, 180_000);
afterAll(async () => {
  await reader.logout().catch(() => undefined);
  await server.stop();
  home.remove();
});

const refused = /^NO \w+ NO \[CORRUPTION\] /;
/** The bytes 4, 5, 6, 7 of a body (docs/formats/body.md). */
const headerBytes = { version: 4, suite: 5, codec: 6, 'chunk size': 7 } as const;

/** What is done to message `n`; each attack has one of its own. */
const attacks: readonly (readonly [string, (n: number) => Promise<void>])[] = [
  [
    'its record points at another message of the same owner and length',
    (n) =>
      forge('record', `content_id = $3 WHERE custodian_id = $1 AND record_id = $2`, [
        one(n).custodian,
        one(n).record,
        one(23).content,
      ]),
  ],
  ['its body is another body of the same owner', (n) => giveBody(one(n), one(23))],
  ['its body is a body of somebody else', (n) => giveBody(one(n), theirs[n]!)],
  ['its wrap is that of another content of the owner', (n) => giveWrap(one(n), one(23).wrap)],
  ['its wrap is that of somebody else', (n) => giveWrap(one(n), theirs[n]!.wrap)],
  [
    'body and wrap are both those of another content',
    async (n) => {
      await giveBody(one(n), one(23));
      await giveWrap(one(n), one(23).wrap);
    },
  ],
  [
    'its wrap says another version of the parent key',
    (n) => giveWrap(one(n), withByte(one(n).wrap, 5, 2)),
  ],
  ['its wrap says another suite', (n) => giveWrap(one(n), withByte(one(n).wrap, 1, 0))],
  [
    'its metadata is that of another record',
    (n) => giveCell(one(n), one(23).cell, one(23).cellWrap),
  ],
  [
    'its metadata is that of somebody else',
    (n) => giveCell(one(n), theirs[n]!.cell, theirs[n]!.cellWrap),
  ],
  [
    'its metadata under its own key is that of another record',
    (n) => giveCell(one(n), one(23).cell, one(n).cellWrap),
  ],
  [
    'its body lost its last chunk',
    (n) => rewriteBody(one(n), (body) => body.fill(0, body.length - 40)),
  ],
  ['two halves of its body changed places', (n) => rewriteBody(one(n), swapHalves)],
  ...Object.entries(headerBytes).map(([what, at]): [string, (n: number) => Promise<void>] => [
    `its body says another ${what}`,
    (n) =>
      rewriteBody(one(n), (body) => void body.writeUInt8(body.readUInt8(at) === 0 ? 1 : 0, at)),
  ]),
  [
    'its body starts with the header of another',
    (n) =>
      rewriteBody(one(n), (body) => {
        const [file = ''] = globSync(`packs/*/${one(23).pack}.pack`, { cwd: home.home });
        const at = one(23).offset + 32;
        readFileSync(join(home.home, file)).copy(body, 0, at, at + 56);
      }),
  ],
];

function withByte(bytes: Buffer, at: number, value: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt8(value, at);
  return changed;
}

function swapHalves(body: Buffer): void {
  const middle = 56 + Math.floor((body.length - 56) / 2);
  const first = Buffer.from(body.subarray(56, middle));
  const second = Buffer.from(body.subarray(middle, middle + first.length));
  second.copy(body, 56);
  first.copy(body, middle);
}

describe('a message is refused, and no other bytes are given, when', () => {
  test.each(attacks.map(([what, attack], n) => [what, attack, n] as const))(
    '%s',
    async (_what, attack, n) => {
      await attack(n);
      expect(await read(n)).toMatch(refused);
      // Nor a part of it, by a range or a section.
      const part = await reader.command(`FETCH ${n + 1} (BODY.PEEK[]<0.64> BODY.PEEK[TEXT])`);
      expect({ status: part.status, lines: part.untagged }).toEqual({ status: 'NO', lines: [] });
    },
    60_000,
  );

  test('and those that nobody touched are read', async () => {
    for (const n of [21, 22, 23]) expect(await read(n)).toBe(mail('mine', n).toString());
  });
});

test('the scrub ends with 70 and names every wrap and place that is not the content’s own', async () => {
  expect(await server.stop()).toBe(0);
  const { code, stdout } = await home.run(['scrub']);
  expect({ code, missed: places.filter((place) => !stdout.includes(place)) }).toEqual({
    code: 70,
    missed: [],
  });
}, 60_000);
