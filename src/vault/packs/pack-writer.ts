// The active pack of a process: places frames, rotates above a size, goes on in a new pack after a
// failure, and stops taking frames while the disk is full (docs/formats/pack.md, "Writing").
import { PostsealError, assert } from '../../kernel/errors.ts';
import { uuidV4, type PackId } from '../../kernel/ids.ts';
import { encodeFrame, frameOverheadBytes } from '../formats/pack.ts';
import type { FrameObject, PackRef } from './body-store.ts';
import { PackAppender } from './pack-appender.ts';
import type { PackFiles } from './pack-files.ts';
import { packPath } from './pack-path.ts';

export interface PackWriterOptions {
  readonly root: string;
  readonly files: PackFiles;
  /** Fresh random bytes. */
  readonly random: (length: number) => Uint8Array;
  /** A pack is closed when the next frame would end above this. */
  readonly packBytes: number;
  /** Free bytes below which nothing more is taken, so that the database keeps room to work. */
  readonly reserveBytes: number;
  /** A rotated pack could not be closed; its frames are safe, only the footer is missing. */
  readonly onCloseFailure: (error: unknown) => void;
}

/** Appended bytes after which free space is asked for again. */
const spaceCheckBytes = 4_194_304;

export class PackWriter {
  readonly #options: PackWriterOptions;
  /** Packs of this process that are open, closing or failed; a closed one is durable and leaves. */
  readonly #packs = new Map<PackId, PackAppender>();
  readonly #closing = new Set<Promise<void>>();
  #active: { readonly pack: PackId; readonly appender: PackAppender } | undefined;
  #sinceSpaceCheck = spaceCheckBytes;
  #closed = false;

  constructor(options: PackWriterOptions) {
    this.#options = options;
  }

  append(object: FrameObject, payload: Uint8Array): PackRef {
    assert(!this.#closed, 'the pack writer is closed');
    const kind = object.kind ?? 'body';
    this.checkSpace(payload.length);
    const { pack, appender } = this.#packFor(payload.length + frameOverheadBytes);
    const { frame, digest } = encodeFrame(kind, object.objectId, payload);
    const { objectId } = object;
    const offset = appender.place(frame, { objectId, length: payload.length, digest });
    return { pack, offset, length: payload.length, sha256: Buffer.from(digest) };
  }

  /** See `BodyStore.sync`. A pack that is not ours any more was durable when it left. */
  sync(ref: PackRef): Promise<void> {
    const appender = this.#packs.get(ref.pack);
    if (appender === undefined) return Promise.resolve();
    return appender.durable(ref.offset + frameOverheadBytes + ref.length);
  }

  /** Throws `home.disk-full` while less than the reserve is free; asks the system every 4 MiB. */
  checkSpace(length: number): void {
    this.#sinceSpaceCheck += length;
    if (this.#sinceSpaceCheck < spaceCheckBytes) return;
    const free = this.#options.files.freeBytes(this.#options.root);
    if (free < this.#options.reserveBytes + length) {
      this.#sinceSpaceCheck = spaceCheckBytes;
      throw new PostsealError('home.disk-full', { freeBytes: free });
    }
    this.#sinceSpaceCheck = 0;
  }

  /** A new pack id; also for streams, so that all ids come from one place. */
  newPackId(): PackId {
    return uuidV4(this.#options.random(16)) as PackId;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#rotate();
    while (this.#closing.size > 0) await Promise.all(this.#closing);
  }

  #packFor(frameLength: number): { readonly pack: PackId; readonly appender: PackAppender } {
    const active = this.#active;
    if (active?.appender.failure !== undefined) {
      this.#rotate();
      // A failure may have been a full disk: ask before the next pack is begun.
      this.#sinceSpaceCheck = spaceCheckBytes;
      this.checkSpace(frameLength);
    } else if (active !== undefined) {
      const full = active.appender.placed + frameLength > this.#options.packBytes;
      if (!full) return active;
      this.#rotate();
    }
    return this.#begin();
  }

  #begin(): { readonly pack: PackId; readonly appender: PackAppender } {
    const pack = this.newPackId();
    const { files, root } = this.#options;
    const header = { kind: 'shared', packId: pack } as const;
    const appender = new PackAppender(files, packPath(root, pack), header);
    this.#packs.set(pack, appender);
    this.#active = { pack, appender };
    return this.#active;
  }

  #rotate(): void {
    const active = this.#active;
    if (active === undefined) return;
    this.#active = undefined;
    const closing = active.appender.close().then(
      () => void this.#packs.delete(active.pack),
      // The appender stays, so that a later `sync` of its references still rejects.
      (error: unknown) => {
        this.#options.onCloseFailure(error);
      },
    );
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }
}
