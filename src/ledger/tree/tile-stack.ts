// The right edge of a growing tree: the partial tile of every level. Leaves go in one by one; full
// tiles come out as they close. Memory: 8 KiB a level. docs/formats/ledger.md "Tree". Pure.
import { emptyRoot, hashBytes } from './hashes.ts';
import { edgeSubtrees, foldRight, fullTileRoot, type GetTile } from './proofs.ts';
import { tileWidth, widthInTree } from './tile-path.ts';

export interface FullTile {
  readonly level: number;
  readonly index: number;
  readonly hashes: Buffer;
}

export class TileStack {
  readonly #levels: Buffer[] = [];
  #size = 0;

  /** The stack of a tree of `size` leaves, from its partial tiles. */
  static load(size: number, getTile: GetTile): TileStack {
    const stack = new TileStack();
    stack.#size = size;
    for (
      let level = 0, hashes = size;
      hashes > 0;
      level += 1, hashes = Math.floor(hashes / tileWidth)
    ) {
      const index = Math.floor(hashes / tileWidth);
      const width = widthInTree(level, index, size);
      const tile = Buffer.alloc(tileWidth * hashBytes);
      if (width > 0) tile.set(getTile(level, index, width).subarray(0, width * hashBytes));
      stack.#levels.push(tile);
    }
    return stack;
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a leaf hash; returns the tiles that it closed, lowest level first. */
  append(leaf: Uint8Array): FullTile[] {
    const closed: FullTile[] = [];
    let hash = leaf;
    let position = this.#size;
    for (let level = 0; ; level += 1) {
      const tile = (this.#levels[level] ??= Buffer.alloc(tileWidth * hashBytes));
      const slot = position % tileWidth;
      tile.set(hash, slot * hashBytes);
      if (slot < tileWidth - 1) break;
      const index = Math.floor(position / tileWidth);
      closed.push({ level, index, hashes: Buffer.from(tile) });
      hash = fullTileRoot(tile);
      position = index;
    }
    this.#size += 1;
    return closed;
  }

  /** Hashes of the partial tile at `level`; empty if there is none. */
  partial(level: number): Buffer {
    const width = Math.floor(this.#size / tileWidth ** level) % tileWidth;
    return Buffer.from(this.#levels[level]?.subarray(0, width * hashBytes) ?? Buffer.alloc(0));
  }

  /** Root over all leaves so far. */
  root(): Buffer {
    if (this.#size === 0) return emptyRoot;
    const subtrees: Buffer[] = [];
    for (let level = this.#levels.length - 1; level >= 0; level -= 1) {
      subtrees.push(...edgeSubtrees(this.partial(level)));
    }
    return foldRight(subtrees);
  }
}
