// Metadata of a record (docs/formats/metadata.md): found in an export, opened, and taken apart.
import { createHmac } from 'node:crypto';
import { openCell, openPage, pageRecords } from './cell.ts';
import type { Export, ExportedCell, ExportedPage } from './export-file.ts';
import { hashBytes } from './hashes.ts';
import { openLeafKey, purposes } from './key-chain.ts';
import { Refused } from './refused.ts';
import type { Unwrap } from './unwrap-command.ts';

export interface Metadata {
  /** The header was longer than what the lines show. */
  readonly truncated: boolean;
  /** Raw header lines, one character an octet. */
  readonly header: string;
  readonly structure: unknown;
  readonly preview: string;
  /** Reverse-path and forward-paths, or null. */
  readonly envelope: readonly string[] | null;
  /** Hex of the SHA-256 of the original, and of what its ledger event commits to; null in version 1. */
  readonly original: { readonly sha256: string; readonly commitment: string } | null;
}

function decodeUtf8(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    // Text that is not UTF-8 is refused by the page.
    throw new Refused('metadata', 'format', 'UTF-8');
  }
}

function decodeJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes)) as unknown;
  } catch {
    // Not JSON, or not even text: the page refuses both.
    throw new Refused('metadata', 'format', what);
  }
}

function isPaths(value: unknown): value is string[] {
  if (!Array.isArray(value) || value.length === 0) return false;
  return value.every((path: unknown) => typeof path === 'string');
}

function originalOf(proof: Buffer): NonNullable<Metadata['original']> {
  const sha256 = proof.subarray(0, hashBytes);
  const commitment = createHmac('sha256', proof.subarray(hashBytes)).update(sha256).digest('hex');
  return { sha256: sha256.toString('hex'), commitment };
}

/** @throws Refused `format`. */
export function decodeMetadata(payload: Buffer): Metadata {
  const refuse = (what: string): Refused => new Refused('metadata', 'format', what);
  if (payload[0] !== 1 && payload[0] !== 2) throw refuse('version');
  const flags = payload[1] ?? 0xff;
  if (flags > 1) throw refuse('flags');
  let at = 2;
  const section = (): Buffer => {
    if (at + 4 > payload.length) throw refuse('section');
    const from = at + 4;
    at = from + payload.readUInt32BE(at);
    if (at > payload.length) throw refuse('section');
    return payload.subarray(from, at);
  };
  const [lines, structure, preview, paths] = [section(), section(), section(), section()];
  const proof = payload.subarray(at);
  if (proof.length !== (payload[0] === 1 ? 0 : 2 * hashBytes)) throw refuse('bytes behind');
  const envelope = paths.length === 0 ? null : decodeJson(paths, 'envelope');
  if (envelope !== null && !isPaths(envelope)) throw refuse('envelope');
  return {
    truncated: flags === 1,
    header: lines.toString('latin1'),
    structure: decodeJson(structure, 'structure'),
    preview: decodeUtf8(preview),
    envelope,
    original: proof.length === 0 ? null : originalOf(proof),
  };
}

/** The cell of a record, else the page that names it. */
function placeOf(from: Export, record: string): ExportedCell | ExportedPage | undefined {
  return (
    from.cells.find((cell) => cell.record === record) ??
    from.pages.find((page) => pageRecords(page.bytes).includes(record))
  );
}

/** Metadata of a record, or undefined if the export has none at all. @throws Refused, CannotRun. */
export function openMetadata(from: Export, record: string, unwrap: Unwrap): Metadata | undefined {
  const place = placeOf(from, record);
  if (place === undefined) {
    if (from.cells.length + from.pages.length === 0) return undefined;
    throw new Refused('export', 'identity', 'no cell and no page of the record');
  }
  const { group, wrap } = place;
  const isCell = 'cell' in place;
  const purpose = isCell ? purposes.cell : purposes.page;
  const object = isCell ? place.record : place.page;
  const key = openLeafKey(from, { group, wrap, purpose, object }, unwrap);
  try {
    const payload = isCell
      ? openCell(key, from.custodian, record, place.cell)
      : openPage(key, from.custodian, place, record);
    return decodeMetadata(payload);
  } finally {
    key.fill(0);
  }
}
