// One sealed value of metadata: docs/formats/cell.md. Pure. The payload is opaque here; its length is
// hidden in steps of 256 bytes. Associated data binds immutable ids and the purpose, never a uid.
import { concatBytes } from '../../kernel/bytes.ts';
import { assert } from '../../kernel/errors.ts';
import { uuidToBytes } from '../../kernel/ids.ts';
import { openXchacha, sealXchacha, xchachaNonceBytes, xchachaTagBytes } from '../xchacha.ts';
import { ascii, isZero, readU32, readU8, roundUp, writeU32 } from './binary.ts';
import { formatFailure } from './failure.ts';
import { purposes, type Purpose } from './purposes.ts';

export const cellVersion = 1;
/** XChaCha20-Poly1305. */
export const cellSuite = 1;
/** Sealed plaintext is a multiple of this. */
export const cellBucketBytes = 256;
/** Largest payload. */
export const cellPayloadBytesMax = 16_777_216;
const headBytes = 2;
const lengthBytes = 4;
/** What a cell adds to its padded plaintext. */
export const cellOverheadBytes = headBytes + xchachaNonceBytes + xchachaTagBytes;

const label = ascii('postseal/cell/1');

/** What a cell is bound to; ids are uuids in text form. */
export interface CellContext {
  readonly purpose: Extract<Purpose, 'cell' | 'names' | 'side-record'>;
  readonly custodianId: string;
  /** The record of a `cell`, the account, folder or keyword set of `names`, the slot of a `side-record`. */
  readonly objectId: string;
}

/** Seals `payload` under `key`; `nonce` is 24 fresh random bytes. */
export function sealCell(
  key: Uint8Array,
  context: CellContext,
  nonce: Uint8Array,
  payload: Uint8Array,
): Uint8Array {
  assert(payload.length <= cellPayloadBytesMax, 'cell payload too long');
  const padded = new Uint8Array(roundUp(lengthBytes + payload.length, cellBucketBytes));
  writeU32(padded, 0, payload.length);
  padded.set(payload, lengthBytes);
  const head = Uint8Array.of(cellVersion, cellSuite);
  const sealed = sealXchacha(key, nonce, associatedData(head, context), padded);
  return concatBytes([head, nonce, sealed]);
}

/** Opens a cell. Throws IntegrityError of kind `format` or `tag`. */
export function openCell(key: Uint8Array, context: CellContext, cell: Uint8Array): Uint8Array {
  const padded = cell.length - cellOverheadBytes;
  if (padded < cellBucketBytes || padded % cellBucketBytes !== 0) {
    throw formatFailure('cell', 'format', 'length');
  }
  if (padded > roundUp(lengthBytes + cellPayloadBytesMax, cellBucketBytes)) {
    throw formatFailure('cell', 'format', 'length');
  }
  if (readU8(cell, 0) !== cellVersion) throw formatFailure('cell', 'format', 'version');
  if (readU8(cell, 1) !== cellSuite) throw formatFailure('cell', 'format', 'suite');
  const head = cell.subarray(0, headBytes);
  const nonce = cell.subarray(headBytes, headBytes + xchachaNonceBytes);
  const sealed = cell.subarray(headBytes + xchachaNonceBytes);
  const plain = openXchacha(key, nonce, associatedData(head, context), sealed);
  if (plain === undefined) throw formatFailure('cell', 'tag', 'tag of the cell');
  return unpad(plain);
}

function unpad(plain: Uint8Array): Uint8Array {
  const length = readU32(plain, 0);
  if (length > cellPayloadBytesMax) throw formatFailure('cell', 'format', 'payload length');
  if (roundUp(lengthBytes + length, cellBucketBytes) !== plain.length) {
    throw formatFailure('cell', 'format', 'padding length');
  }
  if (!isZero(plain.subarray(lengthBytes + length))) {
    throw formatFailure('cell', 'format', 'padding bytes');
  }
  return plain.subarray(lengthBytes, lengthBytes + length);
}

function associatedData(head: Uint8Array, context: CellContext): Uint8Array {
  return concatBytes([
    label,
    head,
    Uint8Array.of(purposes[context.purpose]),
    uuidToBytes(context.custodianId),
    uuidToBytes(context.objectId),
  ]);
}
