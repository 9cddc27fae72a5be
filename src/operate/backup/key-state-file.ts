// One file of the key state in the target of backups: written from a snapshot, read back, and taken apart again.
// docs/formats/key-state.md "File".
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';
import type { OrganisationId } from '../../kernel/ids.ts';
import type { TakenState } from '../../archive/key-state/take-rows.store.ts';
import { formatFailure } from '../../vault/formats/failure.ts';
import {
  decodeKeyStateHead,
  encodeKeyStateHead,
  keyStateFileKey,
  type KeyStateHead,
  type KeyStateKind,
} from '../../vault/formats/key-state-file.ts';
import {
  encodeRecord,
  encodeRecordsEnd,
  KeyStateDecoder,
  type KeyStateRecord,
  type RecordOf,
} from '../../vault/formats/key-state-records.ts';
import { checkBackupDigest, SealedReader } from './sealed-reader.ts';
import { SealedWriter, sliceBytes } from './sealed-writer.ts';
import { stampedPath } from './target.ts';

/** A key of files of the key state, and under which generation it lies. */
export interface StateKey {
  readonly id: string;
  readonly generation: number;
  /** 32 bytes; zero it after use. */
  readonly key: Uint8Array;
  readonly wrap: Uint8Array;
}

export interface StateFile {
  readonly file: string;
  readonly path: string;
  readonly kind: KeyStateKind;
  readonly generation: number;
  readonly records: number;
  /** SHA-256 of the records behind the first, in hex: equal where nothing changed. */
  readonly digest: string;
}

export const noFile = '00000000-0000-0000-0000-000000000000';

export function keyStatePath(target: string, file: string, takenAt: Date): string {
  return stampedPath(join(target, 'keys'), takenAt, `${file}.keys`);
}

export interface WriteStateOptions {
  readonly target: string;
  readonly organisation: OrganisationId;
  readonly key: StateKey;
  /** Of changes: the full state that they belong to. */
  readonly after: string | undefined;
  readonly rotatedSince: Date | null;
}

/**
 * Writes and reads back; durable when it returns. Undefined, and nothing is left, where `skip` says that a file
 * with these records is there already. @throws PostsealError `backup.target-failed`; IntegrityError for a file that
 * does not give back what was written.
 */
export async function writeKeyState(
  options: WriteStateOptions,
  state: TakenState,
  skip: (digest: string) => boolean = () => false,
): Promise<StateFile | undefined> {
  const { target, organisation, key, after } = options;
  const kind = after === undefined ? 'full' : 'changes';
  let path = '';
  const writer = await SealedWriter.createWith(
    (id) => (path = keyStatePath(target, id, state.takenAt)),
    (fileId) => {
      const { id: keyId, generation, wrap } = key;
      const head = { kind, fileId, organisationId: organisation, keyId, generation, wrap } as const;
      return { bytes: encodeKeyStateHead(head), dek: keyStateFileKey(key.key, head) };
    },
  );
  let written: { readonly records: number; readonly digest: string };
  try {
    written = await writeRecords(writer, options, state);
    if (skip(written.digest)) {
      await writer.abandon();
      return undefined;
    }
    await writer.finish();
  } catch (error) {
    await writer.abandon().catch(() => undefined);
    throw error;
  }
  const file = { file: writer.id, path, kind, generation: key.generation, ...written } as const;
  const read = await checkKeyState(path, () => Promise.resolve(Buffer.from(key.key)));
  if (read.records !== written.records || read.digest !== written.digest) {
    throw new PostsealError('backup.key-state', { reason: 'read-back', file: writer.id });
  }
  return file;
}

async function writeRecords(
  writer: SealedWriter,
  { after, rotatedSince }: WriteStateOptions,
  { takenAt, rows }: TakenState,
): Promise<{ records: number; digest: string }> {
  const digest = createHash('sha256');
  let parts: Uint8Array[] = [];
  let bytes = 0;
  let records = 0;
  const flush = async (): Promise<void> => {
    await writer.write(Buffer.concat(parts));
    parts = [];
    bytes = 0;
  };
  const put = async (part: Uint8Array): Promise<void> => {
    parts.push(part);
    bytes += part.length;
    if (bytes >= sliceBytes) await flush();
  };
  const first = {
    takenAt: takenAt.getTime(),
    after: after ?? noFile,
    rotatedSince: rotatedSince?.getTime() ?? null,
  };
  await put(encodeRecord({ kind: 'state', row: first }));
  for await (const record of rows) {
    const part = encodeRecord(record);
    digest.update(part);
    records += 1;
    await put(part);
  }
  await put(encodeRecordsEnd(records + 1));
  await flush();
  return { records, digest: digest.digest('hex') };
}

export type OpenStateKey = (head: KeyStateHead) => Promise<Uint8Array>;

/** Records of a file, in their order. @throws IntegrityError with the file as `place`; what `open` throws. */
export async function* readKeyState(
  path: string,
  open: OpenStateKey,
): AsyncGenerator<KeyStateRecord> {
  const reader = await SealedReader.openWith(path, (start) => {
    const head = decodeKeyStateHead(start);
    const { fileId, length } = head;
    const dek = async (): Promise<Uint8Array> => {
      const key = await open(head);
      try {
        return keyStateFileKey(key, head);
      } finally {
        key.fill(0);
      }
    };
    return { fileId, length, dek };
  });
  try {
    const decoder = new KeyStateDecoder();
    for await (const bytes of reader.read(0, reader.plainLength)) yield* decoder.push(bytes);
    decoder.end();
  } finally {
    await reader.close();
  }
}

export interface CheckedState {
  readonly state: RecordOf<'state'>;
  readonly records: number;
  readonly digest: string;
}

/** Reads all of a file, its digest first. @throws IntegrityError. */
export async function checkKeyState(path: string, open: OpenStateKey): Promise<CheckedState> {
  await checkBackupDigest(path);
  const digest = createHash('sha256');
  let state: RecordOf<'state'> | undefined;
  let records = 0;
  for await (const record of readKeyState(path, open)) {
    if (record.kind === 'state') {
      state = record.row;
      continue;
    }
    digest.update(encodeRecord(record));
    records += 1;
  }
  if (state === undefined) throw formatFailure('key-state', 'format', 'order of records');
  return { state, records, digest: digest.digest('hex') };
}
