// Hashes of RFC 6962 §2.1 and of the chain (docs/formats/ledger.md "Hashes"), and the proof of
// RFC 9162 §2.1.3.2.
import { createHash } from 'node:crypto';

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const [leafPrefix, nodePrefix, chainPrefix] = [0, 1, 2].map((n) => Buffer.from([n])) as [
  Buffer,
  Buffer,
  Buffer,
];

export const hashBytes = 32;
export const emptyRoot = sha256();
export const chainStart = Buffer.alloc(hashBytes);
export const leafHash = (leaf: Uint8Array): Buffer => sha256(leafPrefix, leaf);
export const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer =>
  sha256(nodePrefix, left, right);
export const chainHash = (before: Uint8Array, leaf: Uint8Array): Buffer =>
  sha256(chainPrefix, before, leaf);
export const digest = (bytes: Uint8Array): Buffer => sha256(bytes);

/** Grows a tree leaf by leaf; keeps one hash a complete subtree. */
export class GrowingTree {
  /** Roots of the complete subtrees, largest first, with the number of leaves of each. */
  readonly #subtrees: { readonly leaves: number; readonly root: Buffer }[] = [];

  add(hash: Buffer): void {
    let leaves = 1;
    let root = hash;
    for (;;) {
      const last = this.#subtrees.at(-1);
      if (last?.leaves !== leaves) break;
      this.#subtrees.pop();
      root = nodeHash(last.root, root);
      leaves *= 2;
    }
    this.#subtrees.push({ leaves, root });
  }

  root(): Buffer {
    const [last, ...others] = [...this.#subtrees].reverse();
    if (last === undefined) return emptyRoot;
    return others.reduce((right, { root }) => nodeHash(root, right), last.root);
  }
}

/** True if `proof` leads from the leaf's hash to the root of a tree of `size` leaves. */
export function provesInclusion(
  claim: {
    readonly index: number;
    readonly size: number;
    readonly hash: Buffer;
    readonly root: Buffer;
  },
  proof: readonly Buffer[],
): boolean {
  if (claim.index >= claim.size) return false;
  let fn = BigInt(claim.index);
  let sn = BigInt(claim.size - 1);
  let hash = claim.hash;
  for (const step of proof) {
    if (sn === 0n) return false;
    if ((fn & 1n) === 1n || fn === sn) {
      hash = nodeHash(step, hash);
      while ((fn & 1n) === 0n && fn !== 0n) {
        fn >>= 1n;
        sn >>= 1n;
      }
    } else {
      hash = nodeHash(hash, step);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n && hash.equals(claim.root);
}
