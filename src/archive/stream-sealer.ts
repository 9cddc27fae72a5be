// Seals a large message piece by piece into a pack file of its own. Memory stays at a few chunks.
import { randomBytes, randomUUID } from 'node:crypto';
import type { ContentId } from '../kernel/ids.ts';
import { createBodySealer } from '../vault/formats/body.ts';
import type { BodyStore, BodyStream } from '../vault/packs/body-store.ts';
import type { SealedBody } from './record-draft.ts';

export class StreamSealer {
  readonly #store: BodyStore;
  readonly #stream: BodyStream;
  readonly #contentId: ContentId;
  readonly #dek = randomBytes(32);
  readonly #sealer;

  private constructor(store: BodyStore, stream: BodyStream, contentId: ContentId) {
    this.#store = store;
    this.#stream = stream;
    this.#contentId = contentId;
    this.#sealer = createBodySealer(this.#dek, contentId);
  }

  static async open(store: BodyStore): Promise<StreamSealer> {
    const contentId = randomUUID() as ContentId;
    return new StreamSealer(store, await store.appendStream({ objectId: contentId }), contentId);
  }

  async write(piece: Uint8Array): Promise<void> {
    for (const sealed of this.#sealer.push(piece)) await this.#stream.write(sealed);
  }

  /** Ends the body; its pack is durable. */
  async finish(): Promise<SealedBody> {
    for (const sealed of this.#sealer.end()) await this.#stream.write(sealed);
    const place = await this.#stream.finish();
    const store = this.#store;
    return {
      contentId: this.#contentId,
      place,
      dek: this.#dek,
      large: true,
      holders: new Set(),
      stored: false,
      discard: async () => {
        await store.discard(place);
      },
    };
  }

  async abort(): Promise<void> {
    this.#dek.fill(0);
    await this.#stream.abort();
  }
}
