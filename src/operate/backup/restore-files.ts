// Writes the files of a plan into an empty home. Every tag and every digest of a piece is checked before a file
// counts as written.
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { IntegrityError } from '../../kernel/errors.ts';
import { clusterFiles } from '../../platform/postgres/cluster.ts';
import { refuseSmallDisk } from './restore-place.ts';
import type { RestorePlan } from './restore-plan.ts';
import { type FileKeys, SealedReader } from './sealed-reader.ts';
import { type Area, lengthOf, type Piece } from './set.ts';
import { objectPath } from './target.ts';

/** Objects kept open: neighbours lie in the same one. */
const readersMax = 16;

/** Where WAL waits for recovery. */
export function walForRecovery(home: string): string {
  return join(clusterFiles(home).folder, 'restore-wal');
}

function folderOf(home: string, area: Area): string {
  const folders: Readonly<Record<Area, string>> = {
    database: clusterFiles(home).data,
    wal: walForRecovery(home),
    packs: join(home, 'packs'),
    ledger: join(home, 'ledger'),
    home,
  };
  return folders[area];
}

/** Answers how many octets were written. @throws IntegrityError with the place. */
export async function restoreFiles(
  at: { readonly target: string; readonly home: string; readonly keys: FileKeys },
  plan: RestorePlan,
  onProgress: (done: number, total: number) => void,
): Promise<number> {
  const { target, home, keys } = at;
  const total = [...plan.files.values()].reduce((sum, pieces) => sum + lengthOf(pieces), 0);
  await refuseSmallDisk(home, total);
  for (const folder of ['', ...plan.folders]) {
    const path = join(folderOf(home, 'database'), folder);
    if (plan.base.database === 'embedded') mkdirSync(path, { recursive: true, mode: 0o700 });
  }
  const readers = new Map<string, SealedReader>();
  const readerOf = async (object: string): Promise<SealedReader> => {
    const known = readers.get(object);
    if (known !== undefined) return known;
    const [oldest] = readers.keys();
    if (readers.size >= readersMax && oldest !== undefined) {
      await readers.get(oldest)?.close();
      readers.delete(oldest);
    }
    const reader = await SealedReader.open(objectPath(target, object), 'object', keys);
    readers.set(object, reader);
    return reader;
  };
  let done = 0;
  try {
    for (const pieces of plan.files.values()) {
      await writeFile(home, pieces, readerOf);
      done += lengthOf(pieces);
      onProgress(done, total);
    }
  } finally {
    for (const reader of readers.values()) await reader.close();
  }
  return total;
}

async function writeFile(
  home: string,
  pieces: readonly Piece[],
  readerOf: (object: string) => Promise<SealedReader>,
): Promise<void> {
  const [first] = pieces;
  if (first === undefined) return;
  const path = join(folderOf(home, first.area), first.path);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, 'wx', 0o600);
  try {
    for (const piece of pieces) {
      const reader = await readerOf(piece.object);
      const digest = createHash('sha256');
      let to = piece.from;
      for await (const bytes of reader.read(piece.at, piece.at + piece.length)) {
        digest.update(bytes);
        await file.write(bytes, 0, bytes.length, to);
        to += bytes.length;
      }
      if (digest.digest('hex') === piece.sha256) continue;
      const place = `${piece.object}.obj at ${String(piece.at)}`;
      throw new IntegrityError('integrity.backup', { place, what: 'digest of a piece' });
    }
    // PostgreSQL syncs its own folder before recovery.
    if (first.area !== 'database' && first.area !== 'wal') await file.sync();
  } finally {
    await file.close();
  }
}
