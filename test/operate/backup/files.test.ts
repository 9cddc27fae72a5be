// Files of a backup: known answers, hostile bytes, pieces that become files again (docs/formats/backup.md).
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { IntegrityError } from '../../../src/kernel/errors.ts';
import type { OrganisationId } from '../../../src/kernel/ids.ts';
import { Secret } from '../../../src/kernel/secret.ts';
import { type BackupKeys, createBackupKeys } from '../../../src/operate/backup/backup-keys.ts';
import { PieceWriter } from '../../../src/operate/backup/piece-writer.ts';
import {
  checkBackupDigest,
  createFileKeys,
  readBackupHead,
  SealedReader,
} from '../../../src/operate/backup/sealed-reader.ts';
import { decodeSet, foldPieces, lengthOf, type Piece } from '../../../src/operate/backup/set.ts';
import { objectPath } from '../../../src/operate/backup/target.ts';
import { backupKeyContext } from '../../../src/vault/formats/backup-file.ts';
import { openKeyfileStore, openWithKek } from '../../../src/vault/keyfile/keyfile-store.ts';
import { kekContextBytes } from '../../../src/vault/keys/kek-blob.ts';

interface BackupVector {
  readonly name: string;
  readonly comment: string;
  readonly expect: 'ok' | 'format' | 'commitment' | 'tag' | 'identity';
  readonly kek: string;
  readonly kind: 'set' | 'object';
  readonly fileId: string;
  readonly organisationId: string;
  readonly keyId: string;
  readonly content?: string;
  readonly file: string;
}

const scratch = mkdtempSync(join(tmpdir(), 'postseal-backup-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const hex = (text: string): Buffer => Buffer.from(text, 'hex');

async function readWhole(path: string, kind: 'set' | 'object', keys: BackupKeys): Promise<Buffer> {
  await checkBackupDigest(path);
  const reader = await SealedReader.open(path, kind, createFileKeys(keys));
  try {
    const parts: Uint8Array[] = [];
    for await (const part of reader.read(0, reader.plainLength)) parts.push(part);
    return Buffer.concat(parts);
  } finally {
    await reader.close();
  }
}

/** `ok`, or the kind of the first refusal. */
async function outcome(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return 'ok';
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    expect(error.exit).toBe(70);
    const cause = error.cause instanceof IntegrityError ? error.cause : error;
    return String(cause.fields['kind'] ?? cause.code.split('.')[1]);
  }
}

describe('known answers', () => {
  const path = new URL('../../vectors/backup/vectors.json', import.meta.url);
  const vectors = JSON.parse(readFileSync(path, 'utf8')) as BackupVector[];
  const keysOf = ({ kek, organisationId }: BackupVector): BackupKeys => ({
    make: () => Promise.reject(new Error('a reader makes no key')),
    open: (keyId, wrap) => {
      const context = kekContextBytes(backupKeyContext(organisationId, keyId));
      return Promise.resolve().then(() => openWithKek(hex(kek), context, wrap));
    },
    openState: () => Promise.reject(new Error('no key state here')),
    close: () => Promise.resolve(),
  });

  test.each(vectors)('$name: $comment', async (vector) => {
    const { kind, fileId, file, content } = vector;
    const at = join(scratch, vector.name, `${fileId}.${kind === 'set' ? 'set' : 'obj'}`);
    mkdirSync(dirname(at));
    writeFileSync(at, hex(file));
    let read: Buffer | undefined;
    const found = await outcome(async () => {
      read = await readWhole(at, kind, keysOf(vector));
    });
    expect(found).toBe(vector.expect);
    expect(read?.toString('hex')).toBe(content);
    if (vector.name === 'set') expect(decodeSet(hex(content ?? '')).pieces).toHaveLength(1);
  });

  test('the page shows the vector', () => {
    const page = new URL('../../../docs/formats/backup.md', import.meta.url);
    const text = readFileSync(page, 'utf8').replaceAll(/\s/g, '');
    expect(text).toContain(vectors.find(({ name }) => name === 'object')?.file);
  });
});

describe('objects', () => {
  const organisation = '01980000-0000-7000-8000-000000000001' as OrganisationId;
  const open = async (): Promise<BackupKeys> =>
    createBackupKeys(
      await openKeyfileStore({
        path: join(scratch, 'backup.sealed'),
        passphrase: Secret.fromText('a passphrase for tests'),
        organisationId: organisation,
      }),
      organisation,
    );

  test('hold files of every length, cut into pieces, and give them back', async () => {
    const keys = await open();
    const target = join(scratch, 'target');
    const pieceBytes = 1_048_576;
    const writer = new PieceWriter({ target, organisation, key: await keys.make(), pieceBytes });
    const lengths = [0, 1, 65_535, 65_536, 65_537, 1_000_003, pieceBytes, pieceBytes + 1];
    const files = new Map<string, string>();
    const pieces: Piece[] = [];
    for (const length of lengths) {
      const bytes = length === pieceBytes ? Buffer.alloc(length, 'abc') : randomBytes(length);
      const file = join(scratch, `file-${length}`);
      writeFileSync(file, bytes);
      pieces.push(...(await writer.addFile({ area: 'database', path: `f${length}`, file })));
      files.set(`database/f${length}`, createHash('sha256').update(bytes).digest('hex'));
    }
    await writer.close();
    // Another process, with nothing but the token and the folder.
    const again = createFileKeys(await open());
    const folded = foldPieces(pieces);
    expect([...folded.keys()]).toEqual([...files.keys()]);
    for (const [name, parts] of folded) {
      const digest = createHash('sha256');
      for (const { object, at, length } of parts) {
        const reader = await SealedReader.open(objectPath(target, object), 'object', again);
        for await (const bytes of reader.read(at, at + length)) digest.update(bytes);
        await reader.close();
      }
      expect(`${name} ${digest.digest('hex')}`).toBe(`${name} ${files.get(name) ?? ''}`);
      expect(lengthOf(parts)).toBe(Number(name.slice('database/f'.length)));
    }
    expect(folded.get(`database/f${pieceBytes + 1}`)).toHaveLength(2);
    await again.close();
    await keys.close();
  });

  test('a file that is as it was is named and not stored again', async () => {
    const keys = await open();
    const file = join(scratch, 'same');
    writeFileSync(file, randomBytes(100_000));
    const writer = new PieceWriter({
      target: join(scratch, 'twice'),
      organisation,
      key: await keys.make(),
    });
    const place = { area: 'database', path: 'same', file } as const;
    const [first] = await writer.addFile(place);
    const known = (from: number): Piece | undefined => (from === 0 ? first : undefined);
    expect(await writer.addFile({ ...place, known })).toEqual([first]);
    const bytes = readFileSync(file);
    bytes[99_999] = (bytes[99_999] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    const [changed] = await writer.addFile({ ...place, known });
    expect(changed).toMatchObject({ length: 100_000, at: 100_000 });
    writeFileSync(file, bytes.subarray(1));
    expect(await writer.addFile({ ...place, known })).toMatchObject([{ length: 99_999 }]);
    await writer.close();
    await keys.close();
  });

  test('every flipped bit of a small file, every cut and every added byte is found', async () => {
    const keys = await open();
    const target = join(scratch, 'bits');
    const writer = new PieceWriter({ target, organisation, key: await keys.make() });
    const { object } = await writer.addBytes('home', 'node-name', Buffer.from('n-12345678\n'));
    await writer.close();
    const path = objectPath(target, object);
    const bytes = readFileSync(path);
    expect(await readBackupHead(path)).toMatchObject({ kind: 'object', fileId: object });
    const changed = [
      ...Array.from({ length: bytes.length * 8 }, (_, bit) => {
        const copy = Buffer.from(bytes);
        copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        return copy;
      }),
      ...Array.from({ length: bytes.length }, (_, length) => bytes.subarray(0, length)),
      Buffer.concat([bytes, Buffer.alloc(1)]),
    ];
    let accepted = 0;
    for (const copy of changed) {
      writeFileSync(path, copy);
      if ((await outcome(() => checkBackupDigest(path))) === 'ok') accepted += 1;
    }
    expect(accepted).toBe(0);
    // Whoever can make the digest fit meets the tags.
    for (const copy of changed.slice(0, bytes.length * 8)) {
      const end = copy.length - 32;
      createHash('sha256').update(copy.subarray(0, end)).digest().copy(copy, end);
      if (copy.equals(bytes)) continue;
      writeFileSync(path, copy);
      if ((await outcome(() => readWhole(path, 'object', keys))) === 'ok') accepted += 1;
    }
    expect(accepted).toBe(0);
    writeFileSync(path, bytes);
    expect((await readWhole(path, 'object', keys)).toString()).toBe('n-12345678\n');
    await keys.close();
  });

  test('another token opens nothing, and makes no key for it', async () => {
    const keys = await open();
    const target = join(scratch, 'other');
    const writer = new PieceWriter({ target, organisation, key: await keys.make() });
    const { object } = await writer.addBytes('home', 'node-name', Buffer.from('x'));
    await writer.close();
    const stranger = createBackupKeys(
      await openKeyfileStore({
        path: join(scratch, 'stranger.sealed'),
        passphrase: Secret.fromText('another passphrase'),
        organisationId: organisation,
      }),
      organisation,
    );
    const path = objectPath(target, object);
    await expect(readWhole(path, 'object', stranger)).rejects.toMatchObject({
      code: 'key.destroyed',
    });
    await stranger.make();
    expect(await outcome(() => readWhole(path, 'object', stranger))).toBe('tag');
    await stranger.close();
    await keys.close();
  });
});

describe('a set', () => {
  const piece = { area: 'packs', path: 'a/b', from: 0, length: 1, object: 'o', at: 0, sha256: '' };
  const set = { format: 'postseal/backup/1', kind: 'full', folders: [], pieces: [piece] };
  const decode = (change: object): unknown =>
    decodeSet(Buffer.from(JSON.stringify({ ...set, ...change })));

  test.each([
    { format: 'postseal/backup/2' },
    { kind: 'other' },
    { pieces: {} },
    ...['../x', 'a/../b', '/etc/passwd', 'a/..', '.', 'a\\b', 'a\0b', ''].map((path) => ({
      pieces: [{ ...piece, path }],
    })),
    { pieces: [{ ...piece, area: 'keys' }] },
    { pieces: [{ ...piece, from: -1 }] },
    { folders: ['..'] },
  ])('with %j is refused', (change) => {
    expect(() => decode(change)).toThrow(IntegrityError);
  });

  test('with good paths is taken, dots in names too', () => {
    for (const path of ['a', 'pg_wal', 'x/.y', 'a..b/c.', 'PG_VERSION']) {
      expect(decode({ pieces: [{ ...piece, path }] })).toMatchObject({ pieces: [{ path }] });
    }
  });

  test('pieces with a gap or without a beginning make no file; a new beginning replaces', () => {
    const at = (from: number, length: number): Piece => ({ ...piece, from, length }) as Piece;
    expect(() => foldPieces([at(1, 1)])).toThrow(IntegrityError);
    expect(() => foldPieces([at(0, 1), at(2, 1)])).toThrow(IntegrityError);
    expect(foldPieces([at(0, 5), at(5, 2), at(0, 3)]).get('packs/a/b')).toEqual([at(0, 3)]);
  });
});
