// A reader that holds the bytes against the record's own metadata: whoever pointed a row elsewhere is found out.
import { createHash, hash } from 'node:crypto';
import { IntegrityError } from '../kernel/errors.ts';
import type { ContentId } from '../kernel/ids.ts';
import type { BodyReader } from './types.ts';

/** Up to this many octets all of a message is opened and compared before any of it is given. */
const comparedBytes = 262_144;

export class ProvedReader implements BodyReader {
  readonly size: number;
  readonly #inner: BodyReader;
  readonly #contentId: ContentId;
  readonly #digest: Uint8Array;
  /** The whole of a small message, once it was compared. */
  #plain: Buffer | undefined;

  /** Takes over `inner`. `digest`: SHA-256 of the bytes. */
  constructor(inner: BodyReader, contentId: ContentId, digest: Uint8Array) {
    this.size = inner.size;
    this.#inner = inner;
    this.#contentId = contentId;
    this.#digest = digest;
  }

  async read(from: number, to: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    for await (const piece of this.stream(from, to)) pieces.push(piece);
    const [only] = pieces;
    return pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces);
  }

  async *stream(from = 0, to = this.size): AsyncGenerator<Buffer> {
    const start = Math.max(0, from);
    const end = Math.min(to, this.size);
    if (this.size <= comparedBytes) yield (await this.#whole()).subarray(start, end);
    else if (start === 0 && end === this.size) yield* this.#compared();
    else yield* this.#inner.stream(start, end);
  }

  close(): void {
    this.#inner.close();
    this.#plain = undefined;
  }

  async #whole(): Promise<Buffer> {
    if (this.#plain === undefined) {
      const plain = await this.#inner.read(0, this.size);
      this.#compare(hash('sha256', plain, 'buffer'));
      this.#plain = plain;
    }
    return this.#plain;
  }

  /** The last piece is held back until all of them were compared: no reader has the whole of a wrong message. */
  async *#compared(): AsyncGenerator<Buffer> {
    const sum = createHash('sha256');
    let held: Buffer | undefined;
    for await (const piece of this.#inner.stream()) {
      sum.update(piece);
      if (held !== undefined) yield held;
      held = piece;
    }
    this.#compare(sum.digest());
    if (held !== undefined) yield held;
  }

  #compare(found: Buffer): void {
    if (found.equals(this.#digest)) return;
    throw new IntegrityError('integrity.tag', { content: this.#contentId, what: 'original' });
  }
}
