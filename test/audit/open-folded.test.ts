// An export of records whose metadata was folded into a page, from a real database and a key file: the
// verifier opens page and bodies with what docs/formats/ say alone.
import { createDecipheriv, randomUUID, scryptSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openBody } from '../../audit/verifier/body.ts';
import { openFile } from '../../audit/verifier/byte-source.ts';
import { decodeExport, type Export } from '../../audit/verifier/export-file.ts';
import { openLeafKey, purposes } from '../../audit/verifier/key-chain.ts';
import { openMetadata } from '../../audit/verifier/metadata.ts';
import { openFrame, packPath } from '../../audit/verifier/pack-frame.ts';
import type { Unwrap } from '../../audit/verifier/unwrap-command.ts';
import { foldMetadata } from '../../src/archive/fold-metadata.ts';
import type { StoredRecord } from '../../src/archive/types.ts';
import type { CustodianId } from '../../src/kernel/ids.ts';
import { type ArchiveStage, openArchiveStage } from '../archive/stage.ts';
import { startTestDatabase, type TestDatabase } from '../harness/postgres.ts';
import { exportWraps } from './exported-query.ts';
import { decrypt } from './unwrap-with-kek.ts';

let db: TestDatabase;
let stage: ArchiveStage;
const custodian = randomUUID() as CustodianId;
const messages = Array.from({ length: 70 }, (_, i) =>
  Buffer.from(`Subject: number ${i}\r\n\r\n${'x'.repeat(i)}\r\n`),
);
let records: StoredRecord[];

/** docs/formats/kek-wrap.md "Key file". */
function keksOf(path: string, passphrase: string): Readonly<Record<string, string>> {
  const file = JSON.parse(readFileSync(path, 'utf8')) as {
    scrypt: { N: number; r: number; p: number };
    salt: string;
    nonce: string;
    sealed: string;
  };
  const { N, r, p } = file.scrypt;
  const salt = Buffer.from(file.salt, 'base64');
  const key = scryptSync(passphrase, salt, 32, { N, r, p, maxmem: 2 ** 28 });
  const sealed = Buffer.from(file.sealed, 'base64');
  const cipher = createDecipheriv('aes-256-gcm', key, Buffer.from(file.nonce, 'base64'));
  cipher.setAAD(Buffer.from(['postseal/keyfile/1', N, r, p, file.salt].join('\0')));
  cipher.setAuthTag(sealed.subarray(-16));
  const text = Buffer.concat([cipher.update(sealed.subarray(0, -16)), cipher.final()]);
  return (JSON.parse(text.toString()) as { keks: Record<string, string> }).keks;
}

const unwrap: Unwrap = (request) => {
  const keks = keksOf(join(dirname(stage.packs), 'keys.sealed'), 'for tests only');
  const plain = decrypt(Buffer.from(keks[request.kekLabel] ?? '', 'base64'), request);
  if (plain === undefined) throw new Error('the key file does not open it');
  return plain;
};

async function exported(some: readonly StoredRecord[]): Promise<Export> {
  const text = await exportWraps(
    async (sql, values) => (await db.database.pool.query(sql, [...values])).rows as object[] as [],
    custodian,
    some.map(({ recordId }) => recordId),
  );
  return decodeExport(Buffer.from(text));
}

function bytesOf(from: Export, record: string): Buffer {
  const content = from.records.find((row) => row.record === record)?.content;
  const row = from.bodies.find((body) => body.content === content)!;
  const file = openFile(join(stage.packs, packPath(row.pack)));
  const dek = openLeafKey(from, { ...row, purpose: purposes.dek, object: row.content }, unwrap);
  const body = openBody(openFrame(file, row), dek, row.content);
  const bytes = Buffer.concat([...body.chunks()]);
  file.close();
  return bytes;
}

beforeAll(async () => {
  db = await startTestDatabase();
  stage = await openArchiveStage(db.url);
  const node = await stage.process();
  await node.archive.ensureCustodian(custodian, 'person');
  records = [];
  for (const message of messages) records.push(await node.take(custodian, message));
  const deps = { db: db.database, keys: node.keys, committer: node.committer };
  expect(await foldMetadata(deps, { limitPages: 9 })).toEqual({
    pages: 1,
    records: 70,
    damaged: 0,
  });
  // What comes after the fold is in a cell of its own.
  messages.push(Buffer.from('Subject: number 70\r\n\r\nlate\r\n'));
  records.push(await node.take(custodian, messages[70]!));
}, 120_000);
afterAll(async () => {
  await stage.close();
  await db.drop();
});

test('metadata comes out of the page and out of the cell, each for its record', async () => {
  const some = [records[0]!, records[33]!, records[69]!, records[70]!];
  const from = await exported(some);
  expect([from.pages.length, from.cells.length, from.bodies.length]).toEqual([1, 1, 4]);
  for (const record of some) {
    const i = records.indexOf(record);
    const metadata = openMetadata(from, record.recordId, unwrap);
    expect(metadata?.header).toBe(`Subject: number ${i}\r\n`);
    expect(metadata?.preview).toBe(messages[i]!.toString().split('\r\n').at(-2));
    expect(bytesOf(from, record.recordId).equals(messages[i]!)).toBe(true);
  }
});

test('an export has what was asked for and no wrap of another message', async () => {
  const from = await exported([records[5]!]);
  expect(from.records).toEqual([
    { record: records[5]!.recordId, content: from.bodies[0]!.content },
  ]);
  expect(from.bodies.map(({ size }) => size)).toEqual([messages[5]!.length]);
  expect([from.groupKeys.length, from.custodianKeys.length]).toEqual([1, 1]);
});
