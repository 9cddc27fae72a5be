// BODY and BODYSTRUCTURE (RFC 9051 §7.5.2, grammar `body` in §9). Clients break on what the grammar does
// not have: an empty multipart is told as one empty text part, the encoding is never NIL, and a
// container that was kept closed is told as a file, since MESSAGE/RFC822 must show its inside.
import { envelopeOf } from '../../mime/envelope.ts';
import type { MimePart, Parameters } from '../../mime/part.ts';
import type { Encoder } from '../wire/encoder.ts';
import { writeEnvelope } from './envelope-response.ts';
import { octetsOf, octetsOrNull } from './latin1.ts';

/** Writes the structure of a message; `extensible` adds the extension data of BODYSTRUCTURE. */
export function writeBodyStructure(enc: Encoder, part: MimePart, extensible: boolean): void {
  enc.raw('(');
  if (part.type === 'multipart' && !part.opaque) writeMultipart(enc, part, extensible);
  else writeSingle(enc, part, extensible);
  enc.raw(')');
}

function writeMultipart(enc: Encoder, part: MimePart, extensible: boolean): void {
  if (part.children.length === 0) writeEmptyText(enc, extensible);
  for (const child of part.children) writeBodyStructure(enc, child, extensible);
  enc.sp().string(octetsOf(part.subtype));
  if (!extensible) return;
  enc.sp();
  writeParameters(enc, part.params);
  writeExtension(enc, part);
}

function writeEmptyText(enc: Encoder, extensible: boolean): void {
  enc.raw('("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0');
  enc.raw(extensible ? ' NIL NIL NIL NIL)' : ')');
}

function writeSingle(enc: Encoder, part: MimePart, extensible: boolean): void {
  const { type, subtype, params } = part.opaque ? asFile(part) : part;
  enc.string(octetsOf(type)).sp().string(octetsOf(subtype)).sp();
  writeParameters(enc, params);
  enc.sp().nstring(octetsOrNull(part.id));
  enc.sp().nstring(octetsOrNull(part.description));
  enc.sp().string(octetsOf(part.encoding));
  enc.sp().number(part.bodyEnd - part.bodyStart);
  if (part.message !== null) {
    enc.sp();
    writeEnvelope(enc, envelopeOf(part.message.envelope));
    enc.sp();
    writeBodyStructure(enc, part.message.root, extensible);
    enc.sp().number(part.lines);
  } else if (type === 'text') {
    enc.sp().number(part.lines);
  }
  if (!extensible) return;
  enc.sp().nstring(octetsOrNull(part.md5));
  writeExtension(enc, part);
}

function asFile(part: MimePart): Pick<MimePart, 'type' | 'subtype' | 'params'> {
  const params = part.params.filter(([name]) => name === 'name' || name === 'name*');
  return { type: 'application', subtype: 'octet-stream', params };
}

/** `body-fld-dsp SP body-fld-lang SP body-fld-loc`, each after a space. */
function writeExtension(enc: Encoder, part: MimePart): void {
  enc.sp();
  if (part.disposition === null) enc.nil();
  else {
    enc.raw('(').string(octetsOf(part.disposition.type)).sp();
    writeParameters(enc, part.disposition.params);
    enc.raw(')');
  }
  enc.sp();
  // A list even of one: what the most used servers send is what clients are tried with.
  if (part.language.length === 0) enc.nil();
  else enc.list(part.language, (tag) => enc.string(octetsOf(tag)));
  enc.sp().nstring(octetsOrNull(part.location));
}

function writeParameters(enc: Encoder, params: Parameters): void {
  if (params.length === 0) {
    enc.nil();
    return;
  }
  enc.list(params, ([name, value]) => enc.string(octetsOf(name)).sp().string(octetsOf(value)));
}
