// What a metadata cell holds, before sealing: docs/formats/metadata.md. Pure.
import { createHmac } from 'node:crypto';
import { IntegrityError } from '../kernel/errors.ts';
import { decodeStructure, encodeStructure } from '../mime/structure.ts';
import type { MessageStructure } from '../mime/part.ts';
import type { Envelope, OriginalProof, RecordMetadata } from './types.ts';

/** Written today. Version 1 ends with its sections: it does not say which bytes it belongs to. */
const version = 2;
const firstVersion = 1;
const digestBytes = 32;
const saltBytes = 32;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export interface MetadataInput {
  /** Raw lines of the usual fields, one character an octet. */
  readonly headerLines: string;
  readonly headerTruncated: boolean;
  readonly structure: MessageStructure;
  readonly preview: string;
  readonly envelope: Envelope | undefined;
  /** SHA-256 of the original, 32 bytes. */
  readonly digest: Uint8Array;
}

/** Flag bit: the header was longer than the parser keeps. */
const truncatedFlag = 1;

/**
 * version ‖ flags ‖ four sections, each a u32 length and its bytes: header lines, structure, preview,
 * envelope ‖ digest. The same for every record of the original; `saltMetadata` makes it the record's.
 */
export function encodeMetadata(input: MetadataInput): Buffer {
  const sections = [
    Buffer.from(input.headerLines, 'latin1'),
    encodeStructure(input.structure),
    Buffer.from(input.preview, 'utf8'),
    input.envelope === undefined ? Buffer.alloc(0) : encodeEnvelope(input.envelope),
  ];
  const fixed = 2 + digestBytes;
  const out = Buffer.allocUnsafe(sections.reduce((sum, { length }) => sum + 4 + length, fixed));
  let at = out.writeUInt8(version, 0);
  at = out.writeUInt8(input.headerTruncated ? truncatedFlag : 0, at);
  for (const section of sections) {
    at = out.writeUInt32BE(section.length, at);
    out.set(section, at);
    at += section.length;
  }
  out.set(input.digest, at);
  return out;
}

/** The payload of one record: what `encodeMetadata` made ‖ the record's salt (32 random bytes). */
export const saltMetadata = (encoded: Uint8Array, salt: Uint8Array): Buffer =>
  Buffer.concat([encoded, salt]);

/**
 * What the ledger keeps of a record's bytes, 32 bytes: it proves them once the salt is shown, and tells
 * nothing before, not even that two records are of one message (docs/formats/metadata.md).
 */
export const originalCommitment = ({ salt, digest }: OriginalProof): Buffer =>
  createHmac('sha256', salt).update(digest).digest();

/** @throws IntegrityError `integrity.format` for anything that `encodeMetadata` did not write. */
export function decodeMetadata(payload: Uint8Array): RecordMetadata {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (bytes[0] !== version && bytes[0] !== firstVersion) throw unreadable('version');
  const flags = bytes[1] ?? 255;
  if (flags > truncatedFlag) throw unreadable('flags');
  let at = 2;
  const section = (): Buffer => {
    if (at + 4 > bytes.length) throw unreadable('length');
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) throw unreadable('length');
    const found = bytes.subarray(at + 4, end);
    at = end;
    return found;
  };
  const headerLines = section().toString('latin1');
  const structure = decodeStructure(section());
  const preview = text(section());
  const envelope = section();
  const proof = bytes[0] === version ? originalOf(bytes.subarray(at)) : {};
  if (bytes[0] === firstVersion && at !== bytes.length) throw unreadable('rest');
  const headerTruncated = flags === truncatedFlag;
  const size = structure.size;
  const known = { headerLines, headerTruncated, structure, preview, size, ...proof };
  return envelope.length === 0 ? known : { ...known, envelope: decodeEnvelope(envelope) };
}

function originalOf(rest: Buffer): { readonly original: OriginalProof } {
  if (rest.length !== digestBytes + saltBytes) throw unreadable('rest');
  // A copy: a decoded record outlives its page's block.
  const copy = Buffer.from(rest);
  return { original: { digest: copy.subarray(0, digestBytes), salt: copy.subarray(digestBytes) } };
}

const encodeEnvelope = ({ from, to }: Envelope): Buffer =>
  Buffer.from(JSON.stringify([from, ...to]), 'utf8');

function decodeEnvelope(bytes: Uint8Array): Envelope {
  let json: unknown;
  try {
    json = JSON.parse(text(bytes));
  } catch (cause) {
    throw cause instanceof IntegrityError ? cause : unreadable('envelope', cause);
  }
  if (!isStrings(json)) throw unreadable('envelope');
  const [from, ...to] = json;
  if (from === undefined) throw unreadable('envelope');
  return { from, to };
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function text(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw unreadable('text', cause);
  }
}

function unreadable(field: string, cause?: unknown): IntegrityError {
  return new IntegrityError('integrity.format', { format: 'metadata', field }, cause);
}
