// Sealed metadata: a cell, or one slot of a page (docs/formats/cell.md).
import { tagBytes } from './aead.ts';
import { loadBlock } from './block.ts';
import type { ExportedPage } from './export-file.ts';
import { idBytes, purposes } from './key-chain.ts';
import { Refused } from './refused.ts';
import { nonceBytes, openXchacha } from './xchacha.ts';

const cellStep = 256;
const pageStep = 1_024;
const pageHead = 20;
const plainMax = 16_777_216;
const cellLabel = Buffer.from('postseal/cell/1', 'ascii');
const pageLabel = Buffer.from('postseal/page/1', 'ascii');

const roundUp = (length: number, step: number): number => Math.ceil(length / step) * step;
const isZero = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0);

/** The used bytes of a padded plaintext, whose padding is minimal and zero. */
function unpad(plain: Buffer, end: number, step: number, format: string): Buffer {
  if (roundUp(end, step) !== plain.length || !isZero(plain.subarray(end))) {
    throw new Refused(format, 'format', 'padding');
  }
  return plain.subarray(0, end);
}

/** @throws Refused `format` or `tag`. */
export function openCell(key: Buffer, custodian: string, record: string, cell: Buffer): Buffer {
  const sealed = cell.length - 2 - nonceBytes - tagBytes;
  if (sealed < cellStep || sealed % cellStep !== 0) throw new Refused('cell', 'format', 'length');
  if (cell[0] !== 1) throw new Refused('cell', 'format', 'version');
  if (cell[1] !== 1) throw new Refused('cell', 'format', 'suite');
  const aad = Buffer.concat([
    cellLabel,
    cell.subarray(0, 2),
    Buffer.of(purposes.cell),
    idBytes(custodian),
    idBytes(record),
  ]);
  const sealedAt = 2 + nonceBytes;
  const plain = openXchacha(key, cell.subarray(2, sealedAt), aad, cell.subarray(sealedAt));
  if (plain === undefined) throw new Refused('cell', 'tag', 'tag of the cell');
  const length = plain.readUInt32BE(0);
  if (length > plainMax) throw new Refused('cell', 'format', 'payload length');
  return unpad(plain, 4 + length, cellStep, 'cell').subarray(4);
}

/** Record ids of a page in slot order; not authenticated until it is opened. @throws Refused `format`. */
export function pageRecords(page: Buffer): string[] {
  const refuse = (what: string): Refused => new Refused('page', 'format', what);
  if (page.length < pageHead) throw refuse('length');
  if (page[0] !== 1) throw refuse('version');
  if (page[1] !== 1) throw refuse('suite');
  const count = page.readUInt16BE(2);
  if (count < 1 || count > 128) throw refuse('record count');
  if (page.length < pageHead + 16 * count) throw refuse('length');
  const ids = Array.from({ length: count }, (_, i) =>
    page.toString('hex', pageHead + 16 * i, pageHead + 16 * (i + 1)),
  );
  if (new Set(ids).size !== count) throw refuse('repeated record');
  return ids.map((id) => id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'));
}

/** The payload of `record` in a page. @throws Refused `format`, `identity` or `tag`. */
export function openPage(
  key: Buffer,
  custodian: string,
  { page: pageId, bytes }: Pick<ExportedPage, 'page' | 'bytes'>,
  record: string,
): Buffer {
  const records = pageRecords(bytes);
  if (!bytes.subarray(4, pageHead).equals(idBytes(pageId))) {
    throw new Refused('page', 'identity', 'another page');
  }
  const head = pageHead + 16 * records.length;
  const sealedAt = head + nonceBytes;
  const padded = bytes.length - sealedAt - tagBytes;
  if (padded < pageStep || padded % pageStep !== 0) throw new Refused('page', 'format', 'length');
  const aad = Buffer.concat([pageLabel, idBytes(custodian), bytes.subarray(0, head)]);
  const plain = openXchacha(key, bytes.subarray(head, sealedAt), aad, bytes.subarray(sealedAt));
  if (plain === undefined) throw new Refused('page', 'tag', 'tag of the page');
  const length = plain.readUInt32BE(0);
  if (length > plainMax) throw new Refused('page', 'format', 'block length');
  const stored = unpad(plain, 8 + plain.readUInt32BE(4), pageStep, 'page').subarray(8);
  return slotOf(loadBlock(stored, length, 'page'), records.length, records.indexOf(record));
}

/** The payload of one slot of a page's block; the offsets of all are checked. */
function slotOf(block: Buffer, count: number, slot: number): Buffer {
  const base = 4 * count;
  if (block.length < base) throw new Refused('page', 'format', 'offset table');
  const ends = Array.from({ length: count }, (_, i) => block.readUInt32BE(4 * i));
  const falls = ends.some((end, i) => end < (ends[i - 1] ?? 0));
  if (falls || base + (ends.at(-1) ?? 0) !== block.length) {
    throw new Refused('page', 'format', 'offset');
  }
  const from = ends[slot - 1] ?? 0;
  return block.subarray(base + from, base + (ends[slot] ?? from));
}
