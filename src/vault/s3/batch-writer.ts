// Group commits as objects (docs/formats/s3.md, "Writing"): all bodies that wait when a slot is free are put
// together, at most four objects are on their way, and while they are the next one fills. No timer, and no
// object a message. Keys are never used twice; a batch whose put failed is lost as a whole.
import { assert, PostsealError } from '../../kernel/errors.ts';
import type { PackId } from '../../kernel/ids.ts';
import { frameOverheadBytes } from '../formats/pack.ts';
import type { FrameObject, PackRef } from '../packs/body-store.ts';
import { writeFailure } from '../packs/write-failure.ts';
import type { ObjectStore } from './object-store.ts';
import type { Outage } from './outage.ts';
import { PackImage } from './pack-image.ts';
import { putPack } from './put-pack.ts';

export interface BatchWriterOptions {
  readonly objects: ObjectStore;
  readonly outage: Outage;
  readonly newPackId: () => PackId;
  /** A batch is closed when the next frame would end above this. */
  readonly batchBytes: number;
  /** Octets that may wait or be on their way; more are refused. */
  readonly pendingBytesMax: number;
  /** A batch is durable now. */
  readonly onDurable: (refs: readonly PackRef[], payloads: readonly Uint8Array[]) => void;
}

const inFlightMax = 4;

interface Batch {
  readonly image: PackImage;
  readonly refs: PackRef[];
  readonly payloads: Uint8Array[];
  readonly done: Promise<void>;
  readonly settle: (failure: PostsealError | undefined) => void;
  /** Somebody waits for it. */
  wanted: boolean;
}

export class BatchWriter {
  readonly #options: BatchWriterOptions;
  /** Not durable: open, waiting, on their way; a failed one stays by its promise alone. */
  readonly #done = new Map<PackId, Promise<void>>();
  readonly #waiting: Batch[] = [];
  #open: Batch | undefined;
  #inFlight = 0;
  #pendingBytes = 0;
  #pumping = false;
  #closed = false;

  constructor(options: BatchWriterOptions) {
    this.#options = options;
  }

  append(object: FrameObject, payload: Uint8Array): PackRef {
    assert(!this.#closed, 'the batch writer is closed');
    this.#options.outage.check();
    const length = payload.length + frameOverheadBytes;
    if (this.#pendingBytes + length > this.#options.pendingBytesMax) {
      throw new PostsealError('store.unreachable', { operation: 'append', reason: 'queue-full' });
    }
    const { image, refs, payloads } = this.#batchFor(length);
    const ref = image.add(object, payload);
    refs.push(ref);
    payloads.push(payload);
    this.#pendingBytes += length;
    return ref;
  }

  /** See `BodyStore.sync`. What this writer does not know any more is durable. */
  sync(ref: PackRef): Promise<void> {
    const done = this.#done.get(ref.pack);
    if (done === undefined) return Promise.resolve();
    if (this.#open?.image.pack === ref.pack) this.#open.wanted = true;
    this.#pumpSoon();
    return done;
  }

  /** Puts what was appended, whoever waits for it. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#open !== undefined) this.#open.wanted = true;
    this.#pump();
    await Promise.allSettled([...this.#done.values()]);
  }

  #batchFor(length: number): Batch {
    const open = this.#open;
    if (open !== undefined) {
      if (open.image.bytes + length <= this.#options.batchBytes) return open;
      this.#waiting.push(open);
      this.#pumpSoon();
    }
    return (this.#open = this.#begin());
  }

  #begin(): Batch {
    const image = new PackImage(this.#options.newPackId());
    let settle: Batch['settle'] = () => undefined;
    const done = new Promise<void>((resolve, reject) => {
      settle = (failure) => {
        if (failure === undefined) resolve();
        else reject(failure);
      };
    });
    // Whoever needs it has it from `sync`; a batch that nobody waited for may fail unheard.
    done.catch(() => undefined);
    this.#done.set(image.pack, done);
    return { image, refs: [], payloads: [], done, settle, wanted: false };
  }

  /** Those who ask in the same tick go together. */
  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (this.#inFlight < inFlightMax) {
      const next = this.#waiting.shift() ?? this.#takeOpen();
      if (next === undefined) return;
      this.#inFlight += 1;
      void this.#put(next).finally(() => {
        this.#inFlight -= 1;
        this.#pump();
      });
    }
  }

  #takeOpen(): Batch | undefined {
    const open = this.#open;
    if (open?.wanted !== true) return undefined;
    this.#open = undefined;
    return open;
  }

  async #put(batch: Batch): Promise<void> {
    const { objects, outage, onDurable } = this.#options;
    const { image, refs, payloads } = batch;
    try {
      await putPack(objects, image.pack, image.encode());
      outage.worked();
      onDurable(refs, payloads);
      this.#done.delete(image.pack);
      this.#end(batch, undefined);
    } catch (cause) {
      const failure = writeFailure(image.pack, cause);
      outage.failed(failure);
      this.#end(batch, failure);
      // Each of them would wait through the same retries; their senders repeat them all the same.
      for (const other of this.#waiting.splice(0)) this.#end(other, failure);
    }
  }

  #end(batch: Batch, failure: PostsealError | undefined): void {
    const bytes = batch.payloads.reduce((sum, { length }) => sum + length + frameOverheadBytes, 0);
    this.#pendingBytes -= bytes;
    batch.settle(failure);
  }
}
