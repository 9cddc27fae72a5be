// What a metadata cell holds, before sealing: docs/formats/metadata.md. Pure.
import { IntegrityError } from '../kernel/errors.ts';
import { decodeStructure, encodeStructure } from '../mime/structure.ts';
import type { MessageStructure } from '../mime/part.ts';
import type { Envelope, RecordMetadata } from './types.ts';

const version = 1;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export interface MetadataInput {
  /** Raw lines of the usual fields, one character an octet. */
  readonly headerLines: string;
  readonly headerTruncated: boolean;
  readonly structure: MessageStructure;
  readonly preview: string;
  readonly envelope: Envelope | undefined;
}

/** Flag bit: the header was longer than the parser keeps. */
const truncatedFlag = 1;

/** version ‖ flags ‖ four sections, each a u32 length and its bytes: header lines, structure, preview, envelope. */
export function encodeMetadata(input: MetadataInput): Buffer {
  const sections = [
    Buffer.from(input.headerLines, 'latin1'),
    encodeStructure(input.structure),
    Buffer.from(input.preview, 'utf8'),
    input.envelope === undefined ? Buffer.alloc(0) : encodeEnvelope(input.envelope),
  ];
  const out = Buffer.allocUnsafe(sections.reduce((sum, { length }) => sum + 4 + length, 2));
  let at = out.writeUInt8(version, 0);
  at = out.writeUInt8(input.headerTruncated ? truncatedFlag : 0, at);
  for (const section of sections) {
    at = out.writeUInt32BE(section.length, at);
    out.set(section, at);
    at += section.length;
  }
  return out;
}

/** @throws IntegrityError `integrity.format` for anything that `encodeMetadata` did not write. */
export function decodeMetadata(payload: Uint8Array): RecordMetadata {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (bytes[0] !== version) throw unreadable('version');
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
  if (at !== bytes.length) throw unreadable('rest');
  const headerTruncated = flags === truncatedFlag;
  const known = { headerLines, headerTruncated, structure, preview, size: structure.size };
  return envelope.length === 0 ? known : { ...known, envelope: decodeEnvelope(envelope) };
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
