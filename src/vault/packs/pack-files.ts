// What packs need of a file system, and Node's. A port, so that tests can fail a write or a sync at any
// point and see that nothing acknowledged is lost.
import { constants, statfsSync } from 'node:fs';
import { mkdir, open, readdir, stat, unlink, utimes, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { concatBytes } from '../../kernel/bytes.ts';
import type { UnixMs } from '../../kernel/time.ts';

/** A new file that is written by position. */
export interface WritableFile {
  /** Writes all bytes, one piece behind the other, from `position` on. */
  write(pieces: readonly Uint8Array[], position: number): Promise<void>;
  /** fdatasync. */
  sync(): Promise<void>;
  /** Takes the write permission away; a pack that is closed is never written again. */
  protect(): Promise<void>;
  close(): Promise<void>;
}

export interface ReadableFile {
  readonly length: number;
  /** As many bytes as there are, at most `target.length`. */
  read(target: Uint8Array, position: number): Promise<number>;
  close(): Promise<void>;
}

export interface FileAbout {
  readonly bytes: number;
  readonly changedAt: UnixMs;
}

export interface PackFiles {
  /** Creates a file that must not exist; makes its folder. */
  create(path: string): Promise<WritableFile>;
  /** Makes the name of a new or removed file in this folder, and the folder's own name, durable. */
  syncFolder(path: string): Promise<void>;
  open(path: string): Promise<ReadableFile>;
  remove(path: string): Promise<void>;
  /** Size and last change of a file; undefined if it is not there. */
  about(path: string): Promise<FileAbout | undefined>;
  /** Sets the last change to now. */
  touch(path: string): Promise<void>;
  /** Sorted names in a folder; none if it does not exist. */
  list(path: string): Promise<string[]>;
  /** Bytes that may still be written below `path`. */
  freeBytes(path: string): number;
}

export const nodePackFiles: PackFiles = {
  create: async (path) => {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY;
    return writable(await open(path, flags, 0o600));
  },
  syncFolder: async (path) => {
    for (const folder of [path, dirname(path)]) {
      const handle = await open(folder, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  },
  open: async (path) => readable(await open(path, 'r')),
  remove: (path) => unlink(path),
  about: async (path) => {
    try {
      const { size, mtimeMs } = await stat(path);
      return { bytes: size, changedAt: Math.floor(mtimeMs) as UnixMs };
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  },
  touch: async (path) => {
    const now = new Date();
    await utimes(path, now, now);
  },
  list: async (path) => {
    try {
      return (await readdir(path)).sort();
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    }
  },
  freeBytes: (path) => {
    const stats = statfsSync(path);
    return stats.bavail * stats.bsize;
  },
};

/** `code` of a system error, for example `ENOSPC`; undefined for anything else. */
export function codeOf(error: unknown): string | undefined {
  // Not `instanceof Error`: under a test runner system errors come from another realm.
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

function writable(handle: FileHandle): WritableFile {
  return {
    write: (pieces, position) => writeAll(handle, pieces, position),
    sync: () => handle.datasync(),
    protect: () => handle.chmod(0o400),
    close: () => handle.close(),
  };
}

/** A short write is carried on; an impossible one (a full disk) comes back as an error the next time. */
async function writeAll(
  handle: FileHandle,
  pieces: readonly Uint8Array[],
  position: number,
): Promise<void> {
  const total = pieces.reduce((sum, piece) => sum + piece.length, 0);
  let { bytesWritten: done } = await handle.writev(pieces, position);
  if (done === total) return;
  const all = concatBytes(pieces);
  while (done < total) {
    const rest = await handle.write(all, done, total - done, position + done);
    if (rest.bytesWritten === 0) throw new Error('a write made no progress');
    done += rest.bytesWritten;
  }
}

async function readable(handle: FileHandle): Promise<ReadableFile> {
  const { size } = await handle.stat();
  return {
    length: size,
    read: async (target, position) => {
      const { bytesRead } = await handle.read(target, 0, target.length, position);
      return bytesRead;
    },
    close: () => handle.close(),
  };
}
