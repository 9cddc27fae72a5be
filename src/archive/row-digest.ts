// Digests of sealed values in rows, so that a scrub finds changed bytes without any key: see
// docs/formats/archive-rows.md. Pure. They guard against decay and clumsy hands; whoever could write
// rows and digests still cannot make a wrap that opens, because its own tag is keyed.
import { hash } from 'node:crypto';

const wrapLabel = Buffer.from('postseal/row/content-wrap/1', 'ascii');
const cellLabel = Buffer.from('postseal/row/metadata-cell/1', 'ascii');
const pageLabel = Buffer.from('postseal/row/metadata-page/1', 'ascii');

export interface WrapRow {
  readonly custodian: string;
  readonly contentId: string;
  readonly group: number;
  readonly wrap: Uint8Array;
}

export interface CellRow {
  readonly custodian: string;
  readonly recordId: string;
  readonly recordNo: number;
  readonly cell: Uint8Array;
  readonly wrap: Uint8Array;
}

export interface PageRow {
  readonly custodian: string;
  readonly pageId: string;
  readonly firstNo: number;
  readonly lastNo: number;
  readonly page: Uint8Array;
  readonly wrap: Uint8Array;
}

/** label ‖ custodian ‖ content ‖ u32 group ‖ wrap. */
export function wrapRowDigest(row: WrapRow): Buffer {
  const group = Buffer.allocUnsafe(4);
  group.writeUInt32BE(row.group);
  return digest([wrapLabel, uuidBytes(row.custodian), uuidBytes(row.contentId), group, row.wrap]);
}

/** label ‖ custodian ‖ record ‖ u64 record number ‖ u32 length of the cell ‖ cell ‖ wrap. */
export function cellRowDigest(row: CellRow): Buffer {
  const numbers = Buffer.allocUnsafe(12);
  numbers.writeBigUInt64BE(BigInt(row.recordNo));
  numbers.writeUInt32BE(row.cell.length, 8);
  return digest([
    cellLabel,
    uuidBytes(row.custodian),
    uuidBytes(row.recordId),
    numbers,
    row.cell,
    row.wrap,
  ]);
}

/** label ‖ custodian ‖ page id ‖ u64 first and last record number ‖ u32 length of the page ‖ page ‖ wrap. */
export function pageRowDigest(row: PageRow): Buffer {
  const numbers = Buffer.allocUnsafe(20);
  numbers.writeBigUInt64BE(BigInt(row.firstNo));
  numbers.writeBigUInt64BE(BigInt(row.lastNo), 8);
  numbers.writeUInt32BE(row.page.length, 16);
  return digest([
    pageLabel,
    uuidBytes(row.custodian),
    uuidBytes(row.pageId),
    numbers,
    row.page,
    row.wrap,
  ]);
}

/** Several a mail on the way in, so without the checks of the kernel's decoder. */
const uuidBytes = (uuid: string): Buffer => Buffer.from(uuid.replaceAll('-', ''), 'hex');

function digest(parts: readonly Uint8Array[]): Buffer {
  return hash('sha256', Buffer.concat(parts), 'buffer');
}
