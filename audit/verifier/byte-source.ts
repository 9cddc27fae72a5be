// Bytes of a file by position, so that a body of any length is read with bounded memory.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { CannotRun } from './finding.ts';

export interface ByteSource {
  readonly length: number;
  /** Exactly `length` bytes from `at`; the caller has compared with the source's own length. */
  read(at: number, length: number): Buffer;
}

export interface OpenedFile extends ByteSource {
  close(): void;
}

/** @throws CannotRun when the file cannot be opened or read. */
export function openFile(path: string): OpenedFile {
  const failed = (): CannotRun => new CannotRun(`${path} cannot be read`);
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch {
      // The reason is the system's; what matters is that nothing is said about the bytes.
      throw failed();
    }
  };
  const fd = attempt(() => openSync(path, 'r'));
  return {
    length: attempt(() => fstatSync(fd).size),
    read(at, length) {
      const out = Buffer.alloc(length);
      let done = 0;
      while (done < length) {
        const got = attempt(() => readSync(fd, out, done, length - done, at + done));
        if (got === 0) throw failed();
        done += got;
      }
      return out;
    },
    close: () => {
      closeSync(fd);
    },
  };
}

/** The part of a source that begins at `at`. */
export function partOf(source: ByteSource, at: number, length: number): ByteSource {
  return { length, read: (from, count) => source.read(at + from, count) };
}
