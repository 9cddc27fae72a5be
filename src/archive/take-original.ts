// The bytes of one message on their way in: parsed and tagged as they come; small ones are kept until
// they are stored, large ones go into a pack file of their own at once, sealed, without plaintext spool.
import { createHash, createHmac, type KeyObject } from 'node:crypto';
import { PostsealError } from '../kernel/errors.ts';
import { createMimeParser } from '../mime/parser.ts';
import { previewOf } from '../mime/preview.ts';
import { extractUsualHeaderLines } from '../mime/usual-fields.ts';
import type { BodyStore } from '../vault/packs/body-store.ts';
import type { SealPool } from '../vault/sealing/seal-pool.ts';
import { encodeMetadata } from './metadata-payload.ts';
import { type MessageRecipe, recipeOf, sealSmall } from './message-recipe.ts';
import type { SealedBody } from './record-draft.ts';
import { StreamSealer } from './stream-sealer.ts';
import type { Envelope } from './types.ts';

export interface TagKey {
  readonly version: number;
  readonly key: KeyObject;
}

export interface Original {
  /** Octets. */
  readonly size: number;
  /** HMAC-SHA256 of the bytes under the dedup key. */
  readonly tag: Buffer;
  readonly tagVersion: number;
  /** SHA-256 of the bytes. */
  readonly digest: Buffer;
  /** What the metadata cell of each of its records holds, without the salt of the record. */
  readonly metadata: Buffer;
  readonly seal: () => SealedBody;
  /** How it is put together from parts; undefined for a message without a large one, and for a streamed one. */
  readonly recipe: () => MessageRecipe | undefined;
  /** The sealed file of a large one. */
  readonly spare: SealedBody | undefined;
}

export interface TakeOptions {
  readonly store: BodyStore;
  readonly seals: SealPool;
  readonly tagKey: TagKey;
  readonly envelope: Envelope | undefined;
  /** Octets above which a message is refused. */
  readonly sizeMax: number;
}

/** Larger messages are streamed (architecture §2). */
export const largeBytes = 1_048_576;
/** Beginning of a streamed message that is kept for its preview. */
const headBytes = 262_144;

/** @throws PostsealError `limit.message-size`, or whatever the source or the store throws. */
export async function takeOriginal(
  bytes: Uint8Array | AsyncIterable<Uint8Array>,
  options: TakeOptions,
): Promise<Original> {
  const intake = new Intake(options);
  try {
    if (bytes instanceof Uint8Array) {
      if (bytes.length <= largeBytes) intake.keep(bytes);
      else
        for (let at = 0; at < bytes.length; at += headBytes)
          await intake.take(bytes.subarray(at, at + headBytes));
    } else {
      for await (const piece of bytes) await intake.take(piece);
    }
    return await intake.finish();
  } catch (error) {
    await intake.abandon();
    throw error;
  }
}

class Intake {
  readonly #options: TakeOptions;
  readonly #parser = createMimeParser();
  readonly #hmac;
  readonly #hash = createHash('sha256');
  #kept: Uint8Array[] = [];
  #size = 0;
  #stream: StreamSealer | undefined;

  constructor(options: TakeOptions) {
    this.#options = options;
    this.#hmac = createHmac('sha256', options.tagKey.key);
  }

  keep(piece: Uint8Array): void {
    this.#size += piece.length;
    if (this.#size > this.#options.sizeMax) {
      throw new PostsealError('limit.message-size', { bytes: this.#size });
    }
    this.#hmac.update(piece);
    this.#hash.update(piece);
    this.#parser.push(piece);
    this.#kept.push(piece);
  }

  async take(piece: Uint8Array): Promise<void> {
    this.keep(piece);
    if (this.#size <= largeBytes) return;
    if (this.#stream === undefined) {
      this.#stream = new StreamSealer(this.#options.store, this.#options.seals);
      for (const early of this.#kept) await this.#stream.write(early);
      // The beginning is still needed for the preview.
      this.#kept = [Buffer.concat(this.#kept).subarray(0, headBytes)];
      return;
    }
    this.#kept.pop();
    await this.#stream.write(piece);
  }

  async finish(): Promise<Original> {
    const { store, tagKey, envelope } = this.#options;
    const structure = this.#parser.end();
    const [first] = this.#kept;
    const head = this.#kept.length === 1 && first !== undefined ? first : Buffer.concat(this.#kept);
    const digest = this.#hash.digest();
    const metadata = encodeMetadata({
      headerLines: extractUsualHeaderLines(structure),
      headerTruncated: structure.headerTruncated,
      structure,
      preview: previewOf(structure.root, (from, to) => head.subarray(from, to)),
      envelope,
      digest,
    });
    const spare = await this.#stream?.finish();
    const tag = this.#hmac.digest();
    return {
      size: this.#size,
      tag,
      tagVersion: tagKey.version,
      digest,
      metadata,
      seal: () => spare ?? sealSmall(store, head),
      recipe: once(() =>
        spare === undefined ? recipeOf(store, tagKey.key, structure, head) : undefined,
      ),
      spare,
    };
  }

  async abandon(): Promise<void> {
    await this.#stream?.abort();
  }
}

/** Worked out when it is first asked for. */
function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}
