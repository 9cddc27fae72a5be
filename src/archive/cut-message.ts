// Which parts of a message are stored apart, so that messages share them (docs/formats/recipe.md). Pure. The pieces,
// one behind the other, are the message whatever is chosen here; a part whose text does not come out of its bytes
// again, octet for octet, stays as it is.
import { messagePartsMax } from '../kernel/limits.ts';
import { type Base64Form, decodeBase64Lines } from '../mime/base64-lines.ts';
import { type MessageStructure, type MimePart, walkParts } from '../mime/part.ts';

/** Octets that a part has in the message at least: each costs two rows and a key (docs/performance.md "Savings"). */
export const partBytesMin = 32_768;

export type CutPiece =
  | { readonly kind: 'literal'; readonly bytes: Uint8Array }
  | { readonly kind: 'octets'; readonly bytes: Uint8Array }
  /** `bytes` are what the text of `length` octets carries. */
  | {
      readonly kind: 'base64';
      readonly bytes: Uint8Array;
      readonly length: number;
      readonly form: Base64Form;
    };

/** The pieces of a message, in order and without a gap; undefined if nothing in it is large. */
export function cutMessage(
  structure: MessageStructure,
  bytes: Uint8Array,
): readonly CutPiece[] | undefined {
  if (bytes.length < partBytesMin) return undefined;
  const pieces: CutPiece[] = [];
  let at = 0;
  let parts = 0;
  for (const part of walkParts(structure.root)) {
    if (!isLargeLeaf(part) || part.bodyStart < at || parts === messagePartsMax) continue;
    const piece = pieceOf(part, bytes.subarray(part.bodyStart, part.bodyEnd));
    if (part.bodyStart > at) {
      pieces.push({ kind: 'literal', bytes: bytes.subarray(at, part.bodyStart) });
    }
    pieces.push(piece);
    parts += 1;
    at = part.bodyStart + (piece.kind === 'base64' ? piece.length : piece.bytes.length);
  }
  if (parts === 0) return undefined;
  if (at < bytes.length) pieces.push({ kind: 'literal', bytes: bytes.subarray(at) });
  return pieces;
}

function isLargeLeaf({ bodyStart, bodyEnd, children, message }: MimePart): boolean {
  return bodyEnd - bodyStart >= partBytesMin && children.length === 0 && message === null;
}

function pieceOf({ encoding }: MimePart, body: Uint8Array): CutPiece {
  const text = encoding === 'base64' ? decodeBase64Lines(body) : undefined;
  if (text === undefined || text.plain.length === 0) return { kind: 'octets', bytes: body };
  return { kind: 'base64', bytes: text.plain, length: text.length, form: text.form };
}
