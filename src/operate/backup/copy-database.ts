// Copies the files of a running PostgreSQL between start and stop of a base backup. What changes meanwhile is
// mended by the WAL, so files may grow, shrink or go while they are read.
// Source: PostgreSQL 18 manual, "Backing Up the Data Directory".
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FilePlace, PieceWriter } from './piece-writer.ts';
import type { Piece } from './set.ts';

/** Folders that must be there and whose content must not. */
const emptied: ReadonlySet<string> = new Set([
  'pg_wal',
  'pg_dynshmem',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
]);
const leftOut =
  /(^|\/)(postmaster\.(pid|opts)|backup_label(\.old)?|tablespace_map(\.old)?|backup_manifest|recovery\.signal|standby\.signal|current_logfiles|pg_internal\.init(\.\d+)?|pgsql_tmp[^/]*)(\/|$)/;
/** Read last, so that it is not older than what it speaks of. */
const control = 'global/pg_control';

export interface DataFile {
  readonly path: string;
  readonly bytes: number;
}

export interface DataFiles {
  readonly folders: readonly string[];
  readonly files: readonly DataFile[];
}

/** What of a data folder belongs into a base backup, by path. */
export async function listDataFiles(data: string): Promise<DataFiles> {
  const folders: string[] = [];
  const files: DataFile[] = [];
  const walk = async (folder: string): Promise<void> => {
    for (const entry of await readdir(join(data, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (leftOut.test(path)) continue;
      if (entry.isDirectory()) {
        folders.push(path);
        if (emptied.has(path)) await subfoldersOf(path);
        else await walk(path);
      } else if (entry.isFile()) {
        const about = await stat(join(data, path)).catch(goneIsUndefined);
        if (about !== undefined) files.push({ path, bytes: about.size });
      }
    }
  };
  const subfoldersOf = async (path: string): Promise<void> => {
    for (const entry of await readdir(join(data, path), { withFileTypes: true })) {
      // pg_wal has folders of its own that the server expects; what is in a replication slot it must not find.
      if (entry.isDirectory() && path === 'pg_wal') folders.push(`${path}/${entry.name}`);
    }
  };
  await walk('');
  files.sort((a, b) => Number(a.path === control) - Number(b.path === control));
  return { folders, files };
}

/** Adds every file; `known` names the pieces of the backup before, for an incremental one. */
export async function copyDataFiles(
  data: string,
  files: readonly DataFile[],
  writer: PieceWriter,
  known: (path: string) => readonly Piece[],
): Promise<Piece[]> {
  const pieces: Piece[] = [];
  for (const { path } of files) {
    const before = known(path);
    const place: FilePlace = {
      area: 'database',
      path,
      file: join(data, path),
      known: (from: number) => before.find((piece) => piece.from === from),
    };
    pieces.push(...((await writer.addFile(place).catch(goneIsUndefined)) ?? []));
  }
  return pieces;
}

/** A relation that was dropped meanwhile. */
function goneIsUndefined(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  return undefined;
}
