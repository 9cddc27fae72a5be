// One pack file that grows: frames are placed at once, written and synced in groups off the event loop.
// After the first failed write or sync the file is poisoned: never written, never synced again, because
// a second fsync may report success for pages that the kernel has dropped (docs/formats/pack.md).
import { dirname } from 'node:path';
import { PostsealError } from '../../kernel/errors.ts';
import { encodeFooter, type FooterEntry } from '../formats/pack-footer.ts';
import { encodePackHeader, packHeaderBytes, type PackHeader } from '../formats/pack.ts';
import type { PackFiles, WritableFile } from './pack-files.ts';
import { removePack } from './remove-pack.ts';
import { writeFailure } from './write-failure.ts';

export class PackAppender {
  readonly #files: PackFiles;
  readonly #path: string;
  readonly #header: PackHeader;
  readonly #entries: FooterEntry[] = [];
  #file: WritableFile | undefined;
  #queue: Uint8Array[];
  /** End of what was placed, written and synced. */
  #placed = packHeaderBytes;
  #written = 0;
  #synced = 0;
  #running: Promise<void> = Promise.resolve();
  #waiting: Promise<void> | undefined;
  #failure: PostsealError | undefined;
  #closed = false;

  constructor(files: PackFiles, path: string, header: PackHeader) {
    this.#files = files;
    this.#path = path;
    this.#header = header;
    this.#queue = [encodePackHeader(header)];
  }

  /** End of the last frame; the next one begins here. */
  get placed(): number {
    return this.#placed;
  }

  /** Why nothing more can be written here. */
  get failure(): PostsealError | undefined {
    return this.#failure;
  }

  /** Places a whole frame; returns its offset. */
  place(frame: Uint8Array, entry: Omit<FooterEntry, 'offset'>): number {
    const offset = this.#placed;
    this.#queue.push(frame);
    this.#entries.push({ ...entry, offset });
    this.#placed += frame.length;
    return offset;
  }

  /** Resolves when everything before `end` is durable; rejects for good if that can no longer be. */
  durable(end: number): Promise<void> {
    if (end <= this.#synced) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    // Whoever comes while a sync runs waits for the next one, together with all others who come then.
    this.#waiting ??= this.#runAfter(this.#running);
    return this.#waiting;
  }

  /**
   * Syncs the rest, writes the footer and closes the file. A poisoned pack is only closed, and removed
   * if nothing in it was ever acknowledged; the promise rejects with the failure.
   */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.durable(this.#placed);
      this.#queue.push(encodeFooter(this.#header, this.#entries));
      await this.#guard(async (file) => {
        await this.#writeQueue(file);
        await file.sync();
        await file.protect();
      });
    } finally {
      await this.#file?.close();
      if (this.#file !== undefined && this.#synced === 0) await removePack(this.#files, this.#path);
    }
  }

  async #runAfter(before: Promise<void>): Promise<void> {
    // The outcome of the sync before is its own callers' matter; a failure is kept in #failure.
    await before.catch(() => undefined);
    this.#running = this.#syncGroup();
    this.#waiting = undefined;
    return this.#running;
  }

  async #syncGroup(): Promise<void> {
    await this.#guard(async (file) => {
      const isNew = this.#written === 0;
      await this.#writeQueue(file);
      const end = this.#written;
      await file.sync();
      if (isNew) await this.#files.syncFolder(dirname(this.#path));
      this.#synced = end;
    });
  }

  async #writeQueue(file: WritableFile): Promise<void> {
    const pieces = this.#queue;
    this.#queue = [];
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (length === 0) return;
    await file.write(pieces, this.#written);
    this.#written += length;
  }

  /** Runs `work` on the file; its first failure poisons the pack. */
  async #guard(work: (file: WritableFile) => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      this.#file ??= await this.#files.create(this.#path);
      await work(this.#file);
    } catch (cause) {
      this.#queue = [];
      this.#failure = writeFailure(this.#header.packId, cause);
      throw this.#failure;
    }
  }
}
