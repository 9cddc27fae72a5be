// One large message on its way through a sealing worker into a body stream. At most four buffers of
// 256 KiB are under way; `write` waits for the store, so a slow disk slows the sender, not the memory.
import { PostsealError, assert } from '../../kernel/errors.ts';
import type { BodyStream, PackRef } from '../packs/body-store.ts';
import type { FromSealWorker, ToSealWorker } from './seal-messages.ts';

export const sealBufferBytes = 262_144;
/** Header, tags and a chunk that was begun before: what may come out beyond what went in. */
const targetSlackBytes = 66_560;
const buffersMax = 4;

/** Plaintext on its way out and room for the sealed bytes on their way back. */
interface BufferPair {
  readonly buffer: Uint8Array<ArrayBuffer>;
  readonly target: Uint8Array<ArrayBuffer>;
}

export interface BodySealing {
  /** Takes plaintext; the bytes are copied before it returns. Rejects as `BodyStore.sync` does. */
  write(piece: Uint8Array): Promise<void>;
  /** Resolves when the sealed body is durable. */
  finish(): Promise<PackRef>;
  /** Gives everything up and removes the file; idempotent, also after a failure. */
  abort(): Promise<void>;
}

/** The way to the worker that seals this stream. */
export interface SealLink {
  send(message: ToSealWorker, transfer: readonly ArrayBuffer[]): void;
  /** The stream has ended in whatever way. */
  release(): void;
}

export class WorkerSealing implements BodySealing {
  readonly #id: number;
  readonly #link: SealLink;
  readonly #stream: BodyStream;
  readonly #spare: BufferPair[] = [];
  #made = 0;
  #filling: BufferPair | undefined;
  #filled = 0;
  /** Writes to the store, one after the other. */
  #writes: Promise<void> = Promise.resolve();
  #failure: unknown;
  #wake: () => void = () => undefined;
  #ended = false;
  #released = false;

  constructor(id: number, link: SealLink, stream: BodyStream) {
    this.#id = id;
    this.#link = link;
    this.#stream = stream;
  }

  async write(piece: Uint8Array): Promise<void> {
    let at = 0;
    while (at < piece.length) {
      const pair = (this.#filling ??= await this.#freePair());
      const { buffer } = pair;
      const count = Math.min(piece.length - at, buffer.length - this.#filled);
      buffer.set(piece.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === buffer.length) this.#hand(pair);
    }
    this.#throwFailure();
  }

  async finish(): Promise<PackRef> {
    if (this.#filling !== undefined && this.#filled > 0) this.#hand(this.#filling);
    this.#throwFailure();
    this.#link.send({ type: 'end', id: this.#id }, []);
    while (!this.#ended) await this.#change();
    await this.#writes;
    this.#throwFailure();
    this.#release();
    return this.#stream.finish();
  }

  async abort(): Promise<void> {
    this.#failure ??= new PostsealError('store.aborted');
    if (!this.#released) this.#link.send({ type: 'abort', id: this.#id }, []);
    this.#release();
    this.#filling?.buffer.fill(0);
    await this.#writes;
    await this.#stream.abort();
  }

  /** An answer of the worker to this stream. */
  take(message: FromSealWorker): void {
    if (message.type === 'failed') {
      this.fail(new PostsealError('internal', { what: 'sealing worker', reason: message.reason }));
      return;
    }
    const sealed =
      message.type === 'ended' ? message.sealed : message.target.subarray(0, message.length);
    this.#writes = this.#writes.then(async () => {
      // After a failure the rest is dropped; the stream is aborted by whoever learns of it.
      if (this.#failure !== undefined) return;
      try {
        await this.#stream.write(sealed);
      } catch (error) {
        this.fail(error);
      }
      if (message.type === 'sealed') this.#spare.push(message);
      else this.#ended = true;
      this.#wake();
    });
  }

  fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake();
  }

  #hand({ buffer, target }: BufferPair): void {
    const length = this.#filled;
    this.#filling = undefined;
    this.#filled = 0;
    const transfer = [buffer.buffer, target.buffer];
    this.#link.send({ type: 'piece', id: this.#id, buffer, length, target }, transfer);
  }

  async #freePair(): Promise<BufferPair> {
    for (;;) {
      this.#throwFailure();
      const spare = this.#spare.pop();
      if (spare !== undefined) return spare;
      if (this.#made < buffersMax) {
        this.#made += 1;
        return {
          buffer: new Uint8Array(sealBufferBytes),
          target: new Uint8Array(sealBufferBytes + targetSlackBytes),
        };
      }
      await this.#change();
    }
  }

  /** Until a buffer is free, the end has come or something has failed. */
  async #change(): Promise<void> {
    this.#throwFailure();
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure === undefined) return;
    assert(this.#failure instanceof Error, 'failures are errors');
    throw this.#failure;
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#link.release();
  }
}
