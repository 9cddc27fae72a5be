// One large body as an object of its own: docs/formats/s3.md, "Writing". Its frame prefix stands in the first
// part and is known last, so the first part is kept and sent at the end. Memory: two parts of 5 MiB.
import { assert, PostsealError } from '../../kernel/errors.ts';
import type { PackId } from '../../kernel/ids.ts';
import { encodeFooter } from '../formats/pack-footer.ts';
import {
  createFrameDigest,
  encodeFramePrefix,
  encodePackHeader,
  framePrefixBytes,
  packHeaderBytes,
} from '../formats/pack.ts';
import type { BodyStream, FrameObject, PackRef } from '../packs/body-store.ts';
import { writeFailure } from '../packs/write-failure.ts';
import { packKey } from './object-keys.ts';
import type { ObjectStore, Upload } from './object-store.ts';
import type { Outage } from './outage.ts';

/** The least that S3 takes for a part that is not the last. */
export const partBytes = 5_242_880;

export interface StreamObjectDeps {
  readonly objects: ObjectStore;
  readonly outage: Outage;
  /** Whether the object holds this frame and nothing else. */
  readonly isWhole: (ref: PackRef) => Promise<boolean>;
  /** It holds no memory any more; called once. */
  readonly onEnd: () => void;
}

export class StreamObject implements BodyStream {
  readonly #deps: StreamObjectDeps;
  readonly #pack: PackId;
  readonly #object: FrameObject;
  readonly #digest = createFrameDigest();
  readonly #first = Buffer.alloc(partBytes);
  #part: Buffer;
  #filled = packHeaderBytes + framePrefixBytes;
  #length = 0;
  #upload: Upload | undefined;
  #parts = 1;
  #state: 'open' | 'failed' | 'finished' | 'aborted' = 'open';

  constructor(deps: StreamObjectDeps, pack: PackId, object: FrameObject) {
    this.#deps = deps;
    this.#pack = pack;
    this.#object = object;
    this.#part = this.#first;
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
    const header = { kind: 'single', packId: this.#pack } as const;
    const prefix = encodeFramePrefix({ kind, objectId, length: this.#length });
    const digest = this.#digest.finish(prefix);
    const entry = { objectId, offset: packHeaderBytes, length: this.#length, digest };
    const { offset, length } = entry;
    const ref = { pack: this.#pack, offset, length, sha256: Buffer.from(digest) };
    await this.#guard(async () => {
      await this.#gather(digest);
      await this.#gather(encodeFooter(header, [entry]));
      this.#first.set(encodePackHeader(header), 0);
      this.#first.set(prefix, packHeaderBytes);
      await this.#send();
      if (!(await this.#deps.isWhole(ref))) {
        throw new PostsealError('store.write-failed', { pack: this.#pack, what: 'read back' });
      }
    });
    this.#state = 'finished';
    this.#deps.outage.worked();
    this.#deps.onEnd();
    return ref;
  }

  async abort(): Promise<void> {
    if (this.#state === 'finished' || this.#state === 'aborted') return;
    // A failed one waits for its abort too: its caller owes it.
    this.#state = 'aborted';
    this.#deps.onEnd();
    // What cannot be reached now is found by the sweep; the reason of the abort must not be lost over it.
    await this.#upload?.abort().catch(() => undefined);
  }

  async #send(): Promise<void> {
    const { objects } = this.#deps;
    if (this.#upload === undefined) {
      await objects.put(packKey(this.#pack), this.#part.subarray(0, this.#filled));
      return;
    }
    if (this.#filled > 0) await this.#sendPart();
    await this.#upload.part(1, this.#first);
    await this.#upload.complete();
  }

  /** Copies, because the caller uses its buffer again. */
  async #gather(piece: Uint8Array): Promise<void> {
    let at = 0;
    while (at < piece.length) {
      if (this.#filled === partBytes) await this.#next();
      const count = Math.min(piece.length - at, partBytes - this.#filled);
      this.#part.set(piece.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
    }
  }

  /** The first part stays; each later one goes, and its buffer is used again. */
  async #next(): Promise<void> {
    if (this.#upload === undefined) {
      this.#upload = await this.#deps.objects.upload(packKey(this.#pack));
      this.#part = Buffer.allocUnsafe(partBytes);
    } else {
      await this.#sendPart();
    }
    this.#filled = 0;
  }

  async #sendPart(): Promise<void> {
    this.#parts += 1;
    await this.#upload?.part(this.#parts, this.#part.subarray(0, this.#filled));
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      this.#state = 'failed';
      const failure = writeFailure(this.#pack, cause);
      this.#deps.outage.failed(failure);
      throw failure;
    }
  }
}
