// The text of a body as BODY and TEXT see it (RFC 9051 §6.4.4): text parts with transfer encoding and
// charset undone, HTML both as it reads and as it is written, names of files, headers of embedded
// messages. Attachments that are no text are left to the full-text index.
import { decodeUnlabelled } from '../../mime/charset.ts';
import { decodeHeaderText } from '../../mime/encoded-word.ts';
import { fieldValue, headerFields, headerText } from '../../mime/header.ts';
import { fileNameOf } from '../../mime/parameters.ts';
import { walkParts, type MessageStructure, type MimePart } from '../../mime/part.ts';
import { isTextPart, partText, plainText } from '../../mime/text.ts';
import { decodeTransfer } from '../../mime/transfer-encoding.ts';
import { oneLine } from './fold.ts';
import { FoldedText } from './folded-text.ts';

/** Texts, made one after the other and kept, so that a hit in the first reads no second. */
export class BodyHaystack {
  readonly #made: FoldedText[] = [];
  readonly #rest: Generator<string>;

  constructor(texts: Generator<string>) {
    this.#rest = texts;
  }

  /** Octets that the texts made so far take, at most. */
  get bytes(): number {
    return this.#made.reduce((sum, text) => sum + text.bytes, 0);
  }

  /** True if a text, folded, holds the folded `needle`. */
  has(needle: string): boolean {
    if (this.#made.some((text) => text.has(needle))) return true;
    for (let next = this.#rest.next(); next.done !== true; next = this.#rest.next()) {
      const text = new FoldedText(next.value);
      this.#made.push(text);
      if (text.has(needle)) return true;
    }
    return false;
  }
}

const bodies = new WeakMap<Uint8Array, BodyHaystack>();
const partHeaders = new WeakMap<Uint8Array, BodyHaystack>();

/** Body texts of the original. */
export function bodyHaystack(bytes: Uint8Array, structure: MessageStructure): BodyHaystack {
  return kept(bodies, bytes, () => bodyTexts(bytes, structure));
}

/** MIME headers of all parts below the message itself: TEXT looks there too. */
export function partHeaderHaystack(bytes: Uint8Array, structure: MessageStructure): BodyHaystack {
  return kept(partHeaders, bytes, () => partHeaderTexts(bytes, structure));
}

/** Octets of memory that the texts of `bytes` take so far, at most. */
export function bodyHaystackBytes(bytes: Uint8Array): number {
  return (bodies.get(bytes)?.bytes ?? 0) + (partHeaders.get(bytes)?.bytes ?? 0);
}

function kept(
  cache: WeakMap<Uint8Array, BodyHaystack>,
  bytes: Uint8Array,
  make: () => Generator<string>,
): BodyHaystack {
  let found = cache.get(bytes);
  if (found === undefined) {
    found = new BodyHaystack(make());
    cache.set(bytes, found);
  }
  return found;
}

function* bodyTexts(bytes: Uint8Array, { root }: MessageStructure): Generator<string> {
  for (const part of walkParts(root)) {
    if (isTextPart(part)) {
      const text = partText(bytes, part);
      // As it is written first: that needs no reading of markup, and mostly finds what there is.
      yield text;
      if (part.subtype === 'html') yield plainText(text, part);
    } else if (part.opaque || (part.type === 'multipart' && part.children.length === 0)) {
      // Kept closed or without parts: what a reader of the raw text would see must be found.
      const raw = decodeTransfer(bytes.subarray(part.bodyStart, part.bodyEnd), part.encoding);
      yield decodeUnlabelled(raw);
    }
    if (part.message !== null) yield headerOf(bytes, part.message.root);
    const name = fileNameOf(part);
    if (name !== null) yield oneLine(name);
    if (part.description !== null) yield oneLine(decodeHeaderText(part.description));
  }
}

function* partHeaderTexts(bytes: Uint8Array, { root }: MessageStructure): Generator<string> {
  for (const part of walkParts(root)) if (part !== root) yield headerOf(bytes, part);
}

function headerOf(bytes: Uint8Array, part: MimePart): string {
  const text = headerText(bytes.subarray(part.headerStart, part.bodyStart));
  return headerFields(text)
    .map((field) => oneLine(`${field.name}: ${decodeHeaderText(fieldValue(text, field))}`))
    .join('\n');
}
