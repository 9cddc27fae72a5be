// Reads bodies by position through a small cache of open files. A missing or shortened pack is an
// integrity failure that names the place, never an empty answer.
import { IntegrityError } from '../../kernel/errors.ts';
import type { PackId } from '../../kernel/ids.ts';
import { framePrefixBytes } from '../formats/pack.ts';
import type { PackRef } from './body-store.ts';
import { codeOf, type PackFiles, type ReadableFile } from './pack-files.ts';
import { packPath } from './pack-path.ts';
import type { PositionalReader } from './positional-reader.ts';

/** Reader over one pack file that the caller closes. */
export type WholePack = PositionalReader & { close(): Promise<void> };

interface OpenPack {
  readonly file: Promise<ReadableFile>;
  users: number;
  dropped: boolean;
}

export class PackReader {
  readonly #files: PackFiles;
  readonly #root: string;
  readonly #openMax: number;
  /** In order of last use: the first is the one to close. */
  readonly #open = new Map<PackId, OpenPack>();

  constructor(options: { files: PackFiles; root: string; openMax: number }) {
    this.#files = options.files;
    this.#root = options.root;
    this.#openMax = options.openMax;
  }

  /** Octets `from` to `to` of the payload at `ref`. */
  async read(ref: PackRef, from = 0, to = ref.length): Promise<Buffer> {
    if (from < 0 || to < from || to > ref.length) throw new RangeError('range outside the body');
    const start = ref.offset + framePrefixBytes;
    return this.readAt(ref.pack, start + from, start + to);
  }

  /** Bytes `from` to `to` of the pack file. */
  readAt(pack: PackId, from: number, to: number): Promise<Buffer> {
    return this.#use(pack, (file) => readExactly(pack, file, from, to));
  }

  /** Reader over the whole file of a pack, as long as it is now. */
  async wholePack(pack: PackId): Promise<WholePack> {
    const file = await this.#openFile(pack);
    return {
      length: file.length,
      read: (from, to) => readExactly(pack, file, from, to),
      close: () => file.close(),
    };
  }

  /** Forgets an open file, because the pack is going to be deleted. */
  async forget(pack: PackId): Promise<void> {
    const entry = this.#open.get(pack);
    if (entry !== undefined) await this.#drop(pack, entry);
  }

  async close(): Promise<void> {
    for (const [pack, entry] of [...this.#open]) await this.#drop(pack, entry);
  }

  async #use<T>(pack: PackId, work: (file: ReadableFile) => Promise<T>): Promise<T> {
    const entry = this.#open.get(pack) ?? {
      file: this.#openFile(pack),
      users: 0,
      dropped: false,
    };
    this.#open.delete(pack);
    this.#open.set(pack, entry);
    entry.users += 1;
    try {
      const file = await entry.file;
      await this.#shrink();
      return await work(file);
    } catch (error) {
      // A file that could not be opened must not stay: the next read tries again.
      if (this.#open.get(pack) === entry) this.#open.delete(pack);
      entry.dropped = true;
      throw error;
    } finally {
      entry.users -= 1;
      if (entry.dropped && entry.users === 0) await closeQuietly(entry);
    }
  }

  async #shrink(): Promise<void> {
    for (const [pack, entry] of this.#open) {
      if (this.#open.size <= this.#openMax) return;
      await this.#drop(pack, entry);
    }
  }

  async #drop(pack: PackId, entry: OpenPack): Promise<void> {
    if (this.#open.get(pack) === entry) this.#open.delete(pack);
    if (entry.dropped) return;
    entry.dropped = true;
    if (entry.users === 0) await closeQuietly(entry);
  }

  async #openFile(pack: PackId): Promise<ReadableFile> {
    try {
      return await this.#files.open(packPath(this.#root, pack));
    } catch (cause) {
      if (codeOf(cause) !== 'ENOENT') throw cause;
      throw new IntegrityError('integrity.pack', { pack, kind: 'missing' }, cause);
    }
  }
}

async function readExactly(
  pack: PackId,
  file: ReadableFile,
  from: number,
  to: number,
): Promise<Buffer> {
  const out = Buffer.allocUnsafeSlow(to - from);
  let done = 0;
  while (done < out.length) {
    const count = await file.read(out.subarray(done), from + done);
    if (count === 0) {
      throw new IntegrityError('integrity.pack', { pack, offset: from + done, kind: 'truncated' });
    }
    done += count;
  }
  return out;
}

async function closeQuietly(entry: OpenPack): Promise<void> {
  // If opening failed, whoever asked for the file has been told; there is nothing to close.
  const file = await entry.file.catch(() => undefined);
  await file?.close();
}
