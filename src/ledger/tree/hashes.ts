// The hashes of the ledger: RFC 6962 §2.1 for the tree, and the linear chain beside it.
// Source of truth: docs/formats/ledger.md "Hashes". SHA-256 throughout. Pure.
import { createHash } from 'node:crypto';

export const hashBytes = 32;
const leafPrefix = Buffer.of(0x00);
const nodePrefix = Buffer.of(0x01);
const chainPrefix = Buffer.of(0x02);

/** MTH of no leaves. */
export const emptyRoot: Buffer = createHash('sha256').digest();
/** What the chain of no leaves is: 32 zero bytes. */
export const chainStart: Buffer = Buffer.alloc(hashBytes);

/** SHA-256(0x00 ‖ body). */
export function leafHash(body: Uint8Array): Buffer {
  return createHash('sha256').update(leafPrefix).update(body).digest();
}

/** SHA-256(0x01 ‖ left ‖ right). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(nodePrefix).update(left).update(right).digest();
}

/** SHA-256(0x02 ‖ chain before ‖ leaf hash). Checked in full scans, never trusted alone. */
export function chainHash(before: Uint8Array, leaf: Uint8Array): Buffer {
  return createHash('sha256').update(chainPrefix).update(before).update(leaf).digest();
}
