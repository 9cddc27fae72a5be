// Grows tiles and bundles as leaves are sequenced, and makes them durable before a checkpoint over
// them may be signed. Writing the same leaves again gives the same files, so a crash at any step is
// repaired by starting over from the last published checkpoint. docs/formats/ledger.md "Files".
import { IntegrityError } from '../../kernel/errors.ts';
import { encodeBundle } from '../tree/entry-bundle.ts';
import { hashBytes } from '../tree/hashes.ts';
import { type TileRef, tileWidth } from '../tree/tile-path.ts';
import { TileStack } from '../tree/tile-stack.ts';
import { overTiles, type TileFiles } from './tile-files.ts';

export interface Leaf {
  readonly body: Buffer;
  readonly hash: Buffer;
}

type TileBytes = TileRef & { readonly bytes: Uint8Array };

export class TileWriter {
  readonly #files: TileFiles;
  readonly #stack: TileStack;
  /** Leaves of the bundle that is not full yet. */
  #tail: Buffer[] = [];
  /** Full tiles and bundles that are not durable yet. */
  #closed: TileBytes[] = [];

  private constructor(files: TileFiles, stack: TileStack) {
    this.#files = files;
    this.#stack = stack;
  }

  /**
   * Stands at the size of a published checkpoint. `tail` are the leaves of its partial bundle.
   * Throws `IntegrityError` if tiles, tail and root do not belong together.
   */
  static async open(
    files: TileFiles,
    at: { readonly size: number; readonly root: Uint8Array; readonly tail: readonly Leaf[] },
  ): Promise<TileWriter> {
    const stack = await overTiles(files, (getTile) => TileStack.load(at.size, getTile));
    if (!stack.root().equals(at.root)) {
      throw new IntegrityError('integrity.ledger', { place: 'tile', size: at.size, what: 'root' });
    }
    const edge = Buffer.concat(at.tail.map((leaf) => leaf.hash));
    if (at.tail.length !== at.size % tileWidth || !edge.equals(stack.partial(0))) {
      const seq = at.size - (at.size % tileWidth);
      throw new IntegrityError('integrity.ledger', { place: `audit_log seq ${seq}`, what: 'leaf' });
    }
    const writer = new TileWriter(files, stack);
    writer.#tail = at.tail.map((leaf) => leaf.body);
    return writer;
  }

  get size(): number {
    return this.#stack.size;
  }

  append(leaves: readonly Leaf[]): void {
    for (const { body, hash } of leaves) {
      this.#tail.push(body);
      for (const { level, index, hashes } of this.#stack.append(hash)) {
        this.#closed.push({ level, index, width: tileWidth, bytes: hashes });
      }
      if (this.#tail.length < tileWidth) continue;
      const index = this.#stack.size / tileWidth - 1;
      this.#closed.push({
        level: 'entries',
        index,
        width: tileWidth,
        bytes: encodeBundle(this.#tail),
      });
      this.#tail = [];
    }
  }

  /**
   * Makes everything appended so far durable and answers size and root of it. Leaves may be appended
   * meanwhile; they belong to the next flush. MUST NOT run twice at once.
   */
  async flush(): Promise<{ readonly size: number; readonly root: Buffer }> {
    const size = this.#stack.size;
    const root = this.#stack.root();
    const closed = this.#closed;
    this.#closed = [];
    try {
      await this.#files.write([...closed, ...this.#partials()]);
    } catch (error) {
      this.#closed = [...closed, ...this.#closed];
      throw error;
    }
    return { size, root };
  }

  #partials(): TileBytes[] {
    const out: TileBytes[] = [];
    for (
      let level = 0, hashes = this.#stack.size;
      hashes > 0;
      level += 1, hashes = Math.floor(hashes / tileWidth)
    ) {
      const bytes = this.#stack.partial(level);
      const index = Math.floor(hashes / tileWidth);
      if (bytes.length > 0) out.push({ level, index, width: bytes.length / hashBytes, bytes });
    }
    const index = Math.floor(this.#stack.size / tileWidth);
    if (this.#tail.length > 0) {
      out.push({
        level: 'entries',
        index,
        width: this.#tail.length,
        bytes: encodeBundle(this.#tail),
      });
    }
    return out;
  }
}
