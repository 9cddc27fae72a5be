// Opens one file of a backup and reads ranges of it; nothing is released before its tag is checked.
// docs/formats/backup.md "File", "Refused".
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { equalBytes } from '../../kernel/bytes.ts';
import { IntegrityError } from '../../kernel/errors.ts';
import {
  backupDigestBytes,
  backupFileKey,
  backupHeadBytesMax,
  type BackupHead,
  type BackupKind,
  decodeBackupHead,
} from '../../vault/formats/backup-file.ts';
import { bodyHeaderBytes } from '../../vault/formats/body-header.ts';
import {
  bodyEndBytes,
  type BodyMap,
  chunksOfRange,
  openBodyChunk,
  openBodyMap,
} from '../../vault/formats/body-index.ts';
import { formatFailure } from '../../vault/formats/failure.ts';
import { keyStateHeadBytesMax } from '../../vault/formats/key-state-file.ts';
import type { BackupKeys } from './backup-keys.ts';

const sliceBytes = 1_048_576;
const headBytesMax = Math.max(backupHeadBytesMax, keyStateHeadBytesMax);

/** What the start of a file says; its key is asked for when the name is right. */
export type HeadReader = (start: Uint8Array) => {
  readonly fileId: string;
  readonly length: number;
  readonly dek: () => Promise<Uint8Array>;
};

/** The keys of files by their head; a backup key is asked for once. */
export interface FileKeys {
  of(head: BackupHead): Promise<Uint8Array>;
  close(): Promise<void>;
}

export function createFileKeys(keys: BackupKeys): FileKeys {
  const opened = new Map<string, Promise<Uint8Array>>();
  return {
    async of(head) {
      // A changed wrap beside a good id must be tried too, and fail.
      const name = `${head.keyId} ${Buffer.from(head.wrap).toString('hex')}`;
      const key = opened.get(name) ?? keys.open(head.keyId, head.wrap);
      opened.set(name, key);
      return backupFileKey(await key, head);
    },
    async close() {
      for (const key of await Promise.allSettled(opened.values())) {
        if (key.status === 'fulfilled') key.value.fill(0);
      }
      await keys.close();
    },
  };
}

/** Head of a file, without a key. @throws IntegrityError. */
export async function readBackupHead(path: string): Promise<BackupHead> {
  return at(path, () =>
    withFile(path, async (file) => {
      const bytes = Buffer.alloc(backupHeadBytesMax);
      const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
      return decodeBackupHead(bytes.subarray(0, bytesRead));
    }),
  );
}

export class SealedReader {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #bodyFrom: number;
  readonly #map: BodyMap;

  private constructor(file: FileHandle, path: string, bodyFrom: number, map: BodyMap) {
    this.#file = file;
    this.#path = path;
    this.#bodyFrom = bodyFrom;
    this.#map = map;
  }

  /** @throws IntegrityError with the file as `place`. */
  static async open(path: string, kind: BackupKind, keys: FileKeys): Promise<SealedReader> {
    return SealedReader.openWith(path, (start) => {
      const head = decodeBackupHead(start);
      if (head.kind !== kind) throw formatFailure('backup', 'identity', 'another file');
      return { fileId: head.fileId, length: head.length, dek: () => keys.of(head) };
    });
  }

  /** A file with another head than that of backups. */
  static async openWith(path: string, headOf: HeadReader): Promise<SealedReader> {
    const file = await openThere(path);
    try {
      return await at(path, () => SealedReader.#openFile(file, path, headOf));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  static async #openFile(
    file: FileHandle,
    path: string,
    headOf: HeadReader,
  ): Promise<SealedReader> {
    const { size } = await file.stat();
    const head = headOf(await readAt(file, 0, Math.min(size, headBytesMax)));
    const named = /([0-9a-f-]{36})\.(?:set|obj|keys)$/.exec(path)?.[1];
    if (head.fileId !== named) throw formatFailure('backup', 'identity', 'another file');
    const bodyLength = size - head.length - backupDigestBytes;
    if (bodyLength < bodyHeaderBytes) throw formatFailure('backup', 'format', 'length');
    const dek = await head.dek();
    try {
      const first = await readAt(file, head.length, bodyHeaderBytes);
      const last = await readAt(file, head.length + bodyLength - 4, 4);
      const need = bodyEndBytes(last, bodyLength);
      const end = await readAt(file, head.length + bodyLength - need, need);
      const map = openBodyMap(dek, head.fileId, bodyLength, { head: first, end });
      return new SealedReader(file, path, head.length, map);
    } finally {
      dek.fill(0);
    }
  }

  get plainLength(): number {
    return this.#map.plainLength;
  }

  /** The bytes `from..to` in slices. @throws IntegrityError with the file as `place`. */
  async *read(from: number, to: number): AsyncGenerator<Uint8Array> {
    if (to > this.#map.plainLength) {
      throw new IntegrityError('integrity.backup', { place: placeOf(this.#path), what: 'length' });
    }
    for (const chunk of chunksOfRange(this.#map, from, to)) {
      const plain = await at(this.#path, async () => {
        const offset = this.#bodyFrom + chunk.offset;
        return openBodyChunk(
          this.#map,
          chunk,
          await readAt(this.#file, offset, chunk.sealedLength),
        );
      });
      yield plain.subarray(
        Math.max(0, from - chunk.plainFrom),
        Math.min(plain.length, to - chunk.plainFrom),
      );
    }
  }

  async close(): Promise<void> {
    this.#map.keys.chunkKey.fill(0);
    await this.#file.close();
  }
}

/** Compares the digest at the file's end; needs no key. @throws IntegrityError with the file as `place`. */
export async function checkBackupDigest(path: string): Promise<void> {
  await at(path, () =>
    withFile(path, async (file) => {
      const { size } = await file.stat();
      const end = size - backupDigestBytes;
      if (end < 0) throw formatFailure('backup', 'format', 'length');
      const digest = createHash('sha256');
      for (let from = 0; from < end; from += sliceBytes) {
        digest.update(await readAt(file, from, Math.min(sliceBytes, end - from)));
      }
      const stored = await readAt(file, end, backupDigestBytes);
      if (!equalBytes(stored, digest.digest())) throw formatFailure('backup', 'tag', 'digest');
    }),
  );
}

/** The file as a person finds it in the target. */
function placeOf(path: string): string {
  return basename(path);
}

/** Turns the refusal of a decoder into one that names the file. */
async function at<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof IntegrityError) || error.code === 'integrity.backup') throw error;
    const what = String(
      error.fields['what'] ?? error.fields['kind'] ?? error.fields['format'] ?? '',
    );
    throw new IntegrityError('integrity.backup', { place: placeOf(path), what }, error);
  }
}

async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await openThere(path);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

async function openThere(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new IntegrityError('integrity.backup', { place: placeOf(path), what: 'missing' }, error);
  }
}

async function readAt(file: FileHandle, from: number, length: number): Promise<Buffer> {
  const out = Buffer.alloc(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(out, done, length - done, from + done);
    if (bytesRead === 0) throw formatFailure('backup', 'format', 'length');
    done += bytesRead;
  }
  return out;
}
