// Seals a large message piece by piece, in a worker thread, into a pack file of its own. Memory stays
// at a few chunks.
import { randomBytes, randomUUID } from 'node:crypto';
import type { ContentId } from '../kernel/ids.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import type { BodySealing } from '../vault/sealing/body-sealing.ts';
import type { SealPool } from '../vault/sealing/seal-pool.ts';
import type { SealedBody } from './record-draft.ts';

export class StreamSealer {
  readonly #store: BodyStore;
  readonly #contentId = randomUUID() as ContentId;
  readonly #dek = randomBytes(32);
  readonly #sealing: Promise<BodySealing>;

  constructor(store: BodyStore, seals: SealPool) {
    this.#store = store;
    this.#sealing = seals.open(store, this.#dek, this.#contentId);
  }

  async write(piece: Uint8Array): Promise<void> {
    await (await this.#sealing).write(piece);
  }

  /** Ends the body; its pack is durable. */
  async finish(): Promise<SealedBody> {
    const place = await (await this.#sealing).finish();
    const store = this.#store;
    return {
      contentId: this.#contentId,
      place,
      dek: this.#dek,
      large: true,
      parts: [],
      holders: new Set(),
      stored: false,
      discard: async () => {
        await store.discard(place);
      },
    };
  }

  async abort(): Promise<void> {
    this.#dek.fill(0);
    await (await this.#sealing).abort();
  }
}
