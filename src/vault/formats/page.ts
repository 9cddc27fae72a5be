// Metadata of up to 128 records of one custodian, compressed together: docs/formats/cell.md, "Page".
// Pure. Record ids stand in clear (they are random) and are associated data, so no slot can be swapped.
import { concatBytes } from '../../kernel/bytes.ts';
import { assert } from '../../kernel/errors.ts';
import { uuidFromBytes, uuidToBytes } from '../../kernel/ids.ts';
import { openXchacha, sealXchacha, xchachaNonceBytes, xchachaTagBytes } from '../xchacha.ts';
import { ascii, isZero, readU16, readU32, readU8, roundUp, writeU16, writeU32 } from './binary.ts';
import { loadBlock, storeBlock } from './block.ts';
import { formatFailure } from './failure.ts';

export const pageVersion = 1;
/** XChaCha20-Poly1305 over a block that is raw or zstd. */
export const pageSuite = 1;
export const pageBucketBytes = 1_024;
export const pageRecordsMax = 128;
/** Largest plain block: offset table and all payloads. */
export const pageBlockBytesMax = 16_777_216;
const headBytes = 20;
const lengthsBytes = 8;

const label = ascii('postseal/page/1');

export interface PageContext {
  readonly custodianId: string;
  readonly pageId: string;
}

export interface PageRecord {
  readonly recordId: string;
  readonly payload: Uint8Array;
}

/** Inside of a page before compression; what `sealPageBlock` seals and `openPageBlock` gives. */
export interface PageBlock {
  readonly recordIds: readonly string[];
  readonly plainLength: number;
  readonly stored: Uint8Array;
}

/** Seals 1 to 128 records; `nonce` is 24 fresh random bytes. */
export function sealPage(
  key: Uint8Array,
  context: PageContext,
  nonce: Uint8Array,
  records: readonly PageRecord[],
): Uint8Array {
  const plain = encodeBlock(records.map((record) => record.payload));
  return sealPageBlock(key, context, nonce, {
    recordIds: records.map((record) => record.recordId),
    plainLength: plain.length,
    stored: storeBlock(plain),
  });
}

/** Opens a page. Throws IntegrityError of kind `format`, `identity` or `tag`. */
export function openPage(key: Uint8Array, context: PageContext, page: Uint8Array): PageRecord[] {
  const block = openPageBlock(key, context, page);
  const plain = loadBlock(block.stored, block.plainLength, 'page');
  const payloads = decodeBlock(plain, block.recordIds.length);
  return block.recordIds.map((recordId, i) => ({
    recordId,
    payload: payloads[i] ?? new Uint8Array(0),
  }));
}

/** Record ids in slot order, read without a key; not authenticated until the page is opened. */
export function pageRecordIds(page: Uint8Array): string[] {
  return decodeHead(page).recordIds;
}

/** Seals a block as it is; the same block, key and nonce give the same bytes with every zstd. */
export function sealPageBlock(
  key: Uint8Array,
  context: PageContext,
  nonce: Uint8Array,
  block: PageBlock,
): Uint8Array {
  assert(block.plainLength <= pageBlockBytesMax, 'page block too long');
  const head = encodeHead(context.pageId, block.recordIds);
  const used = lengthsBytes + block.stored.length;
  const padded = new Uint8Array(roundUp(used, pageBucketBytes));
  writeU32(padded, 0, block.plainLength);
  writeU32(padded, 4, block.stored.length);
  padded.set(block.stored, lengthsBytes);
  const sealed = sealXchacha(key, nonce, associatedData(head, context), padded);
  return concatBytes([head, nonce, sealed]);
}

/** Opens a page down to its stored block. Throws IntegrityError like `openPage`. */
export function openPageBlock(key: Uint8Array, context: PageContext, page: Uint8Array): PageBlock {
  const { pageId, recordIds } = decodeHead(page);
  if (pageId !== context.pageId) throw formatFailure('page', 'identity', 'another page');
  const nonceAt = headBytes + 16 * recordIds.length;
  const sealedAt = nonceAt + xchachaNonceBytes;
  const padded = page.length - sealedAt - xchachaTagBytes;
  if (padded < pageBucketBytes || padded % pageBucketBytes !== 0) {
    throw formatFailure('page', 'format', 'length');
  }
  if (padded > roundUp(lengthsBytes + pageBlockBytesMax, pageBucketBytes)) {
    throw formatFailure('page', 'format', 'length');
  }
  const aad = associatedData(page.subarray(0, nonceAt), context);
  const plain = openXchacha(key, page.subarray(nonceAt, sealedAt), aad, page.subarray(sealedAt));
  if (plain === undefined) throw formatFailure('page', 'tag', 'tag of the page');
  return unpad(plain, recordIds);
}

function unpad(plain: Uint8Array, recordIds: readonly string[]): PageBlock {
  const plainLength = readU32(plain, 0);
  const end = lengthsBytes + readU32(plain, 4);
  if (plainLength > pageBlockBytesMax) throw formatFailure('page', 'format', 'block length');
  if (roundUp(end, pageBucketBytes) !== plain.length) {
    throw formatFailure('page', 'format', 'padding length');
  }
  if (!isZero(plain.subarray(end))) throw formatFailure('page', 'format', 'padding bytes');
  return { recordIds, plainLength, stored: plain.subarray(lengthsBytes, end) };
}

function encodeHead(pageId: string, recordIds: readonly string[]): Uint8Array {
  const count = recordIds.length;
  assert(count >= 1 && count <= pageRecordsMax, 'a page holds 1 to 128 records');
  assert(new Set(recordIds).size === count, 'a page holds a record once');
  const head = new Uint8Array(headBytes + 16 * count);
  head[0] = pageVersion;
  head[1] = pageSuite;
  writeU16(head, 2, count);
  head.set(uuidToBytes(pageId), 4);
  recordIds.forEach((id, i) => head.set(uuidToBytes(id), headBytes + 16 * i));
  return head;
}

function decodeHead(page: Uint8Array): { pageId: string; recordIds: string[] } {
  if (page.length < headBytes) throw formatFailure('page', 'format', 'length');
  if (readU8(page, 0) !== pageVersion) throw formatFailure('page', 'format', 'version');
  if (readU8(page, 1) !== pageSuite) throw formatFailure('page', 'format', 'suite');
  const count = readU16(page, 2);
  if (count < 1 || count > pageRecordsMax) throw formatFailure('page', 'format', 'record count');
  if (page.length < headBytes + 16 * count) throw formatFailure('page', 'format', 'length');
  const recordIds: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const at = headBytes + 16 * i;
    recordIds.push(uuidFromBytes(page.subarray(at, at + 16)));
  }
  if (new Set(recordIds).size !== count) throw formatFailure('page', 'format', 'repeated record');
  return { pageId: uuidFromBytes(page.subarray(4, 20)), recordIds };
}

function encodeBlock(payloads: readonly Uint8Array[]): Uint8Array {
  const table = new Uint8Array(4 * payloads.length);
  let end = 0;
  payloads.forEach((payload, i) => {
    end += payload.length;
    writeU32(table, 4 * i, end);
  });
  return concatBytes([table, ...payloads]);
}

function decodeBlock(plain: Uint8Array, count: number): Uint8Array[] {
  const base = 4 * count;
  if (plain.length < base) throw formatFailure('page', 'format', 'offset table');
  const payloads: Uint8Array[] = [];
  let from = 0;
  for (let i = 0; i < count; i += 1) {
    const to = readU32(plain, 4 * i);
    if (to < from || base + to > plain.length) throw formatFailure('page', 'format', 'offset');
    payloads.push(plain.subarray(base + from, base + to));
    from = to;
  }
  if (base + from !== plain.length) throw formatFailure('page', 'format', 'last offset');
  return payloads;
}

function associatedData(head: Uint8Array, context: PageContext): Uint8Array {
  return concatBytes([label, uuidToBytes(context.custodianId), head]);
}
