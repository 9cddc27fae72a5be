// Roots and proofs from tiles, and their verification: RFC 9162 §2.1 over c2sp.org/tlog-tiles.
// Pure: tiles come in through `GetTile`. Which tiles are read depends on numbers only, never on
// their content, so `tilesNeeded` can tell beforehand what to load.
import { equalBytes } from '../../kernel/bytes.ts';
import { emptyRoot, hashBytes, nodeHash } from './hashes.ts';
import { type TileRef, tileWidth, widthInTree } from './tile-path.ts';

/** At least `width` hashes of a tile, one after the other. May throw; that ends the computation. */
export type GetTile = (level: number, index: number, width: number) => Uint8Array;

/** Root of the tree of the first `size` leaves. */
export function treeRoot(size: number, getTile: GetTile): Buffer {
  return size === 0 ? emptyRoot : rangeHash({ from: 0, to: size }, size, getTile);
}

/** RFC 9162 §2.1.3.1: sibling hashes from the leaf upwards. Needs `index` < `size`. */
export function inclusionProof(index: number, size: number, getTile: GetTile): Buffer[] {
  if (index < 0 || index >= size) throw new RangeError('the leaf is not in the tree');
  const ranges: Range[] = [];
  let from = 0;
  let to = size;
  while (to - from > 1) {
    const middle = from + splitPoint(to - from);
    if (index < middle) {
      ranges.push({ from: middle, to });
      to = middle;
    } else {
      ranges.push({ from, to: middle });
      from = middle;
    }
  }
  return ranges.reverse().map((range) => rangeHash(range, size, getTile));
}

/** RFC 9162 §2.1.4.1: proof that the tree of `size1` leaves is a prefix of that of `size2`. */
export function consistencyProof(size1: number, size2: number, getTile: GetTile): Buffer[] {
  if (size1 < 0 || size1 > size2) throw new RangeError('the first tree is not smaller');
  if (size1 === 0 || size1 === size2) return [];
  const ranges: Range[] = [];
  let from = 0;
  let to = size2;
  while (to !== size1) {
    const middle = from + splitPoint(to - from);
    if (size1 <= middle) {
      ranges.push({ from: middle, to });
      to = middle;
    } else {
      ranges.push({ from, to: middle });
      from = middle;
    }
  }
  // A complete subtree from the left edge is the old root itself, which the verifier has.
  if (from > 0) ranges.push({ from, to });
  return ranges.reverse().map((range) => rangeHash(range, size2, getTile));
}

/** RFC 9162 §2.1.3.2. */
export function verifyInclusion(
  claim: { index: number; size: number; leaf: Uint8Array; root: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  if (claim.index < 0 || claim.index >= claim.size) return false;
  let fn = claim.index;
  let sn = claim.size - 1;
  let r: Uint8Array = claim.leaf;
  for (const p of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      r = nodeHash(p, r);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else {
      r = nodeHash(r, p);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && equalBytes(r, claim.root);
}

/** RFC 9162 §2.1.4.2; also true for `size1` = 0 or equal trees with an empty proof. */
export function verifyConsistency(
  claim: { size1: number; root1: Uint8Array; size2: number; root2: Uint8Array },
  proof: readonly Uint8Array[],
): boolean {
  const { size1, root1, size2, root2 } = claim;
  if (size1 < 0 || size1 > size2) return false;
  if (size1 === size2) return proof.length === 0 && equalBytes(root1, root2);
  if (size1 === 0) return proof.length === 0 && equalBytes(root1, emptyRoot);
  const path = isPowerOfTwo(size1) ? [root1, ...proof] : proof;
  const [first, ...rest] = path;
  if (first === undefined) return false;
  let [fn, sn] = [size1 - 1, size2 - 1];
  while (fn % 2 === 1) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  let fr: Uint8Array = first;
  let sr: Uint8Array = first;
  for (const c of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      [fr, sr] = [nodeHash(c, fr), nodeHash(c, sr)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else {
      sr = nodeHash(sr, c);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && equalBytes(fr, root1) && equalBytes(sr, root2);
}

/** The tiles that `run` reads, without reading any. */
export function tilesNeeded(run: (getTile: GetTile) => unknown): TileRef[] {
  const needed = new Map<string, TileRef>();
  run((level, index, width) => {
    const seen = needed.get(`${level}/${index}`);
    if (seen === undefined || seen.width < width)
      needed.set(`${level}/${index}`, { level, index, width });
    return new Uint8Array(width * hashBytes);
  });
  return [...needed.values()];
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/** Largest power of two below `n`; `n` > 1. */
function splitPoint(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

function isPowerOfTwo(n: number): boolean {
  return n > 0 && (n === 1 || splitPoint(n) * 2 === n);
}

/** Hash of leaves [from, to), where `from` is a multiple of every complete subtree inside. */
function rangeHash(range: Range, size: number, getTile: GetTile): Buffer {
  const subtrees: Buffer[] = [];
  for (let at = range.from; at < range.to;) {
    let span = 1;
    let level = 0;
    while (at % (span * 2) === 0 && at + span * 2 <= range.to)
      [span, level] = [span * 2, level + 1];
    subtrees.push(subtreeHash(level, at / span, size, getTile));
    at += span;
  }
  return foldRight(subtrees);
}

/** Hash of the complete subtree `index` of height `level`. */
function subtreeHash(level: number, index: number, size: number, getTile: GetTile): Buffer {
  const tileLevel = Math.floor(level / 8);
  const count = 2 ** (level % 8);
  const first = index * count;
  const tileIndex = Math.floor(first / tileWidth);
  const tile = getTile(tileLevel, tileIndex, widthInTree(tileLevel, tileIndex, size));
  const start = (first % tileWidth) * hashBytes;
  return completeHash(tile.subarray(start, start + count * hashBytes));
}

/** Root over a power of two of hashes. */
function completeHash(hashes: Uint8Array): Buffer {
  if (hashes.length === hashBytes) return Buffer.from(hashes);
  const half = hashes.length / 2;
  return nodeHash(completeHash(hashes.subarray(0, half)), completeHash(hashes.subarray(half)));
}

/** Joins complete subtrees, largest first, into the root of an incomplete tree. */
export function foldRight(subtrees: readonly Buffer[]): Buffer {
  let root = subtrees.at(-1);
  if (root === undefined) return emptyRoot;
  for (let i = subtrees.length - 2; i >= 0; i -= 1) root = nodeHash(subtrees[i] ?? root, root);
  return root;
}

/** Root over any number of hashes of one level, as the right edge of a tree. */
export function edgeSubtrees(hashes: Uint8Array): Buffer[] {
  const out: Buffer[] = [];
  for (let at = 0, left = hashes.length / hashBytes; left > 0;) {
    let span = 1;
    while (span * 2 <= left) span *= 2;
    out.push(completeHash(hashes.subarray(at, at + span * hashBytes)));
    at += span * hashBytes;
    left -= span;
  }
  return out;
}

/** Root of a full tile: what the tile above holds for it. */
export function fullTileRoot(hashes: Uint8Array): Buffer {
  return completeHash(hashes);
}
