// One large body in a pack of its own, written as it comes: docs/formats/pack.md. The frame prefix is
// written last, when the length is known. Memory: one buffer of 512 KiB.
import { dirname } from 'node:path';
import { assert } from '../../kernel/errors.ts';
import type { PackId } from '../../kernel/ids.ts';
import { encodeFooter } from '../formats/pack-footer.ts';
import {
  createFrameDigest,
  encodeFramePrefix,
  encodePackHeader,
  framePrefixBytes,
  packHeaderBytes,
  type PackHeader,
} from '../formats/pack.ts';
import type { BodyStream, FrameObject, PackRef } from './body-store.ts';
import type { PackFiles, WritableFile } from './pack-files.ts';
import { removePack } from './remove-pack.ts';
import { writeFailure } from './write-failure.ts';

const gatherBytes = 524_288;

/** Begins the pack `pack` at `path`. Rejects with a PostsealError if the file cannot be made. */
export async function openStreamPack(
  files: PackFiles,
  path: string,
  pack: PackId,
  object: FrameObject,
): Promise<BodyStream> {
  try {
    const file = await files.create(path);
    const stream = new StreamPack(files, file, { path, pack, object });
    await stream.begin();
    return stream;
  } catch (cause) {
    throw writeFailure(pack, cause);
  }
}

class StreamPack implements BodyStream {
  readonly #files: PackFiles;
  readonly #file: WritableFile;
  readonly #path: string;
  readonly #pack: PackId;
  readonly #header: PackHeader;
  readonly #object: FrameObject;
  readonly #digest = createFrameDigest();
  readonly #gathered = new Uint8Array(gatherBytes);
  #gatheredBytes = 0;
  #length = 0;
  #end = packHeaderBytes + framePrefixBytes;
  #state: 'open' | 'failed' | 'finished' | 'aborted' = 'open';

  constructor(
    files: PackFiles,
    file: WritableFile,
    place: { readonly path: string; readonly pack: PackId; readonly object: FrameObject },
  ) {
    this.#files = files;
    this.#file = file;
    this.#path = place.path;
    this.#pack = place.pack;
    this.#header = { kind: 'single', packId: place.pack };
    this.#object = place.object;
  }

  /** Writes the file header; removes the file if that fails. */
  async begin(): Promise<void> {
    try {
      await this.#guard(() => this.#file.write([encodePackHeader(this.#header)], 0));
    } catch (error) {
      await this.abort();
      throw error;
    }
  }

  async write(piece: Uint8Array): Promise<void> {
    assert(this.#state === 'open', 'the stream has ended');
    this.#digest.update(piece);
    this.#length += piece.length;
    await this.#guard(() => this.#gather(piece));
  }

  async finish(): Promise<PackRef> {
    assert(this.#state === 'open', 'the stream has ended');
    const { objectId, kind = 'body' } = this.#object;
    const prefix = encodeFramePrefix({ kind, objectId, length: this.#length });
    const digest = this.#digest.finish(prefix);
    const entry = { objectId, offset: packHeaderBytes, length: this.#length, digest };
    await this.#guard(async () => {
      await this.#gather(digest);
      await this.#gather(encodeFooter(this.#header, [entry]));
      await this.#flush();
      await this.#file.write([prefix], packHeaderBytes);
      await this.#file.sync();
      await this.#file.protect();
      await this.#files.syncFolder(dirname(this.#path));
    });
    this.#state = 'finished';
    await this.#file.close();
    const { offset, length } = entry;
    return { pack: this.#pack, offset, length, sha256: Buffer.from(digest) };
  }

  async abort(): Promise<void> {
    if (this.#state === 'finished' || this.#state === 'aborted') return;
    this.#state = 'aborted';
    await this.#file.close();
    await removePack(this.#files, this.#path);
  }

  /** Copies, because the caller uses its buffer again; writes each time that half a megabyte is full. */
  async #gather(piece: Uint8Array): Promise<void> {
    let at = 0;
    while (at < piece.length) {
      const count = Math.min(piece.length - at, gatherBytes - this.#gatheredBytes);
      this.#gathered.set(piece.subarray(at, at + count), this.#gatheredBytes);
      this.#gatheredBytes += count;
      at += count;
      if (this.#gatheredBytes === gatherBytes) await this.#flush();
    }
  }

  async #flush(): Promise<void> {
    await this.#file.write([this.#gathered.subarray(0, this.#gatheredBytes)], this.#end);
    this.#end += this.#gatheredBytes;
    this.#gatheredBytes = 0;
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      this.#state = 'failed';
      throw writeFailure(this.#pack, cause);
    }
  }
}
