// Files of the key state: known answers, and no change of a byte that goes unseen.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { IntegrityError } from '../../../src/kernel/errors.ts';
import { checkKeyState, readKeyState } from '../../../src/operate/backup/key-state-file.ts';
import { keyStateContext, type KeyStateHead } from '../../../src/vault/formats/key-state-file.ts';
import {
  encodeRecord,
  encodeRecordsEnd,
  KeyStateDecoder,
} from '../../../src/vault/formats/key-state-records.ts';
import { openWithKek } from '../../../src/vault/keyfile/keyfile-store.ts';
import { kekContextBytes } from '../../../src/vault/keys/kek-blob.ts';

interface StateVector {
  readonly name: string;
  readonly comment: string;
  readonly expect: string;
  readonly kek: string;
  readonly fileId: string;
  readonly content?: string;
  readonly file: string;
}

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const folder = mkdtempSync(join(tmpdir(), 'postseal-key-state-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const path = new URL('../../vectors/key-state/vectors.json', import.meta.url);
const vectors = JSON.parse(readFileSync(path, 'utf8')) as StateVector[];
const opener = (kek: string) => (head: KeyStateHead) => {
  const context = keyStateContext(head.organisationId, head.keyId, head.generation);
  return Promise.resolve().then(() => openWithKek(hex(kek), kekContextBytes(context), head.wrap));
};

/** `ok`, or the kind of the refusal; the file is its place. */
async function outcome(at: string, kek: string): Promise<string> {
  try {
    await checkKeyState(at, opener(kek));
    return 'ok';
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    const cause = error.cause instanceof IntegrityError ? error.cause : error;
    return String(cause.fields['kind'] ?? cause.code.split('.')[1]);
  }
}

function place(name: string, fileId: string, bytes: Uint8Array): string {
  const at = join(folder, name, `20261124T000000000Z-${fileId}.keys`);
  mkdirSync(dirname(at), { recursive: true });
  writeFileSync(at, bytes);
  return at;
}

describe('known answers', () => {
  test.each(vectors)('$name: $comment', async ({ name, fileId, file, kek, ...vector }) => {
    const at = place(name, fileId, hex(file));
    expect(await outcome(at, kek)).toBe(vector.expect);
    if (vector.content === undefined) return;
    const parts: Uint8Array[] = [];
    for await (const record of readKeyState(at, opener(kek))) parts.push(encodeRecord(record));
    parts.push(encodeRecordsEnd(parts.length));
    expect(Buffer.concat(parts).toString('hex')).toBe(vector.content);
  });

  test('there is a refusal of every kind, and the page shows the first', () => {
    const kinds = new Set(vectors.map((vector) => vector.expect));
    expect([...kinds].sort()).toEqual(['commitment', 'format', 'identity', 'ok', 'tag']);
    const page = new URL('../../../docs/formats/key-state.md', import.meta.url);
    const text = readFileSync(page, 'utf8').replaceAll(/\s/g, '');
    expect(text).toContain(vectors[0]!.file);
    expect(text).toContain(vectors[0]!.content);
  });
});

describe('every change', () => {
  const { file, fileId, kek, content = '' } = vectors[0]!;
  const whole = hex(file);
  /** Whoever changes a file can make its digest right again. */
  const digested = (bytes: Buffer): Buffer => {
    const rest = bytes.subarray(0, -32);
    return Buffer.concat([rest, createHash('sha256').update(rest).digest()]);
  };

  test('of a bit is refused, with a right digest too', async () => {
    let accepted = 0;
    for (let at = 0; at < whole.length - 32; at += 3) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 1 << (at % 8);
      if ((await outcome(place('bit', fileId, digested(bytes)), kek)) === 'ok') accepted += 1;
      if (at % 30 === 0) expect(await outcome(place('bit', fileId, bytes), kek)).not.toBe('ok');
    }
    expect(accepted).toBe(0);
  });

  test('of the length is refused', async () => {
    for (let length = 0; length < whole.length; length += 17) {
      const cut = whole.subarray(0, length);
      expect(await outcome(place('cut', fileId, cut), kek)).not.toBe('ok');
      if (length < 64) continue;
      expect(await outcome(place('cut', fileId, digested(cut)), kek)).not.toBe('ok');
    }
    const longer = Buffer.concat([whole, Buffer.of(0)]);
    expect(await outcome(place('cut', fileId, longer), kek)).not.toBe('ok');
  });

  test('of the order or number of records is refused, wherever the bytes are cut into pieces', () => {
    const bytes = hex(content);
    const read = (all: Buffer, size: number): number => {
      const decoder = new KeyStateDecoder();
      let count = 0;
      for (let at = 0; at < all.length; at += size)
        count += decoder.push(all.subarray(at, at + size)).length;
      decoder.end();
      return count;
    };
    const starts: number[] = [];
    for (let at = 0; at < bytes.length; at += 5 + bytes.readUInt32BE(at + 1)) starts.push(at);
    const records = starts.map((at, i) => bytes.subarray(at, starts[i + 1] ?? bytes.length));
    for (const size of [1, 7, 4_096]) expect(read(bytes, size)).toBe(records.length - 1);
    for (let i = 0; i < records.length; i += 1) {
      const without = Buffer.concat(records.filter((_, j) => j !== i));
      expect(() => read(without, 64)).toThrow(IntegrityError);
      const twice = Buffer.concat(records.flatMap((r, j) => (j === i ? [r, r] : [r])));
      expect(() => read(twice, 64)).toThrow(IntegrityError);
    }
  });
});
