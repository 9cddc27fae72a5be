// The stored form of the part tree: docs/formats/structure.md. Compact JSON (arrays, zero for what is
// absent), so that BODYSTRUCTURE and section lookup need no second parse and a reader in thirty years
// needs no program of ours. Strings hold one character an octet.
import { IntegrityError } from '../kernel/errors.ts';
import type {
  Disposition,
  EnvelopeFields,
  MessageStructure,
  MimePart,
  Parameters,
} from './part.ts';

/** The name other rooms know it by. */
export type { MessageStructure as Structure } from './part.ts';

/** Version of the format; readers accept every version up to their own. */
export const structureVersion = 1;

type Json = string | number | readonly Json[];
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** `[version, size, lines, part]`. */
export function encodeStructure(structure: MessageStructure): Uint8Array {
  const { size, lines, root } = structure;
  return Buffer.from(JSON.stringify([structureVersion, size, lines, encodePart(root)]), 'utf8');
}

function encodePart(part: MimePart): Json {
  const fields: Json[] = [
    part.headerStart,
    part.bodyStart - part.headerStart,
    part.bodyEnd - part.bodyStart,
    part.lines,
    part.type,
    part.subtype,
    encodeParams(part.params),
    part.encoding === '7bit' ? 0 : part.encoding,
    part.disposition === null ? 0 : [part.disposition.type, encodeParams(part.disposition.params)],
    part.children.length === 0 ? 0 : part.children.map(encodePart),
    part.message === null
      ? 0
      : [encodeEnvelope(part.message.envelope), encodePart(part.message.root)],
    part.opaque ? 1 : 0,
    part.id ?? 0,
    part.description ?? 0,
    part.md5 ?? 0,
    part.language.length === 0 ? 0 : part.language,
    part.location ?? 0,
  ];
  while (fields.at(-1) === 0) fields.pop();
  return fields;
}

const encodeParams = (params: Parameters): Json => (params.length === 0 ? 0 : params.flat());

const encodeEnvelope = (fields: EnvelopeFields): Json =>
  [
    fields.date,
    fields.subject,
    fields.from,
    fields.sender,
    fields.replyTo,
    fields.to,
    fields.cc,
    fields.bcc,
    fields.inReplyTo,
    fields.messageId,
  ].map((value) => value ?? 0);

/** Reads what `encodeStructure` wrote. @throws IntegrityError `integrity.format` for anything else. */
export function decodeStructure(bytes: Uint8Array): MessageStructure {
  let json: unknown;
  try {
    json = JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new IntegrityError('integrity.format', { format: 'structure' }, cause);
  }
  const [version, size, lines, root] = array(json);
  if (version !== structureVersion) throw unreadable('version');
  return { size: number(size), lines: number(lines), root: decodePart(root, 0) };
}

const depthMax = 1_000;

function decodePart(json: unknown, depth: number): MimePart {
  if (depth > depthMax) throw unreadable('depth');
  const f = array(json);
  const headerStart = number(f[0]);
  const bodyStart = headerStart + number(f[1]);
  const children = f[9];
  const message = f[10];
  return {
    headerStart,
    bodyStart,
    bodyEnd: bodyStart + number(f[2]),
    lines: number(f[3]),
    type: string(f[4]),
    subtype: string(f[5]),
    params: decodeParams(f[6]),
    encoding: absent(f[7]) ? '7bit' : string(f[7]),
    disposition: absent(f[8]) ? null : decodeDisposition(array(f[8])),
    id: optional(f[12]),
    description: optional(f[13]),
    md5: optional(f[14]),
    language: absent(f[15]) ? [] : array(f[15]).map(string),
    location: optional(f[16]),
    children: absent(children) ? [] : array(children).map((child) => decodePart(child, depth + 1)),
    message: absent(message) ? null : decodeMessage(array(message), depth),
    opaque: f[11] === 1,
  };
}

const decodeDisposition = ([type, params]: readonly unknown[]): Disposition => ({
  type: string(type),
  params: decodeParams(params),
});

function decodeParams(json: unknown): Parameters {
  if (absent(json)) return [];
  const flat = array(json);
  if (flat.length % 2 !== 0) throw unreadable('params');
  const params: [string, string][] = [];
  for (let i = 0; i < flat.length; i += 2) params.push([string(flat[i]), string(flat[i + 1])]);
  return params;
}

function decodeMessage(json: readonly unknown[], depth: number): MimePart['message'] {
  const [envelope, root] = json;
  const e = array(envelope).map(optional);
  const at = (i: number): string | null => e[i] ?? null;
  return {
    envelope: {
      date: at(0),
      subject: at(1),
      from: at(2),
      sender: at(3),
      replyTo: at(4),
      to: at(5),
      cc: at(6),
      bcc: at(7),
      inReplyTo: at(8),
      messageId: at(9),
    },
    root: decodePart(root, depth + 1),
  };
}

const unreadable = (field: string): IntegrityError =>
  new IntegrityError('integrity.format', { format: 'structure', field });

const absent = (value: unknown): boolean => value === undefined || value === 0;

function array(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw unreadable('array');
  return value as readonly unknown[];
}

function number(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw unreadable('number');
  return value;
}

function string(value: unknown): string {
  if (typeof value !== 'string') throw unreadable('string');
  return value;
}

const optional = (value: unknown): string | null => (absent(value) ? null : string(value));
