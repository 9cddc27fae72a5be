// The preview of a message (RFC 8970 §3.2): plain text, at most 256 characters, from the first text
// part that has any. Computed once on the way in; only the beginning of a body is looked at.
import { htmlText } from './html-text.ts';
import { bodyText, isTextPart } from './text.ts';
import { walkParts, type MimePart } from './part.ts';

/** Characters (code points) of a preview; RFC 8970 §3.1 asks for 200 and allows 256. */
export const previewCharsMax = 200;
/** Encoded octets of a body that are looked at; HTML begins with long style sheets. */
const plainBytesMax = 4_096;
const htmlBytesMax = 32_768;
/** Characters of text that are looked at: blanks are squeezed out of them. */
const textCharsMax = 2_000;
/** Of them first, which is enough unless blanks or rulings fill a text's beginning. */
const firstCharsMax = 512;
const candidatesMax = 4;

/** Asks for the octets `[start, end)` of the original; may answer fewer. */
export type ByteRange = (start: number, end: number) => Uint8Array;

/** The preview text; empty if no part has readable text. */
export function previewOf(root: MimePart, read: ByteRange): string {
  for (const part of previewParts(root)) {
    const isHtml = part.subtype === 'html';
    const bytesMax = isHtml ? htmlBytesMax : plainBytesMax;
    const end = Math.min(part.bodyEnd, part.bodyStart + bytesMax);
    const text = bodyText(read(part.bodyStart, end), part);
    const preview = squeeze(isHtml ? htmlText(text, textCharsMax) : text);
    if (preview !== '') return preview;
  }
  return '';
}

/** Inline text parts, plain before HTML, of the message itself before embedded messages. */
function previewParts(root: MimePart): MimePart[] {
  const found: MimePart[] = [];
  for (const part of walkParts(root)) {
    if (isTextPart(part) && part.disposition?.type !== 'attachment') found.push(part);
    if (found.length >= candidatesMax) break;
  }
  const plain = found.filter((part) => part.subtype === 'plain');
  return [...plain, ...found.filter((part) => part.subtype !== 'plain')];
}

/** White space to single spaces, control characters out, cut at a whole character. */
function squeeze(text: string): string {
  // Most texts fill a preview from their beginning; what comes after it cannot change that.
  const short = cut(flatten(text.slice(0, firstCharsMax)));
  if (short.full || text.length <= firstCharsMax) return short.preview;
  return cut(flatten(text.slice(0, textCharsMax))).preview;
}

const flatten = (text: string): string =>
  text.replace(/[\s\p{Cc}\u200b-\u200f\ufeff\ufffd\u00ad\u034f]+/gu, ' ').trim();

function cut(flat: string): { readonly preview: string; readonly full: boolean } {
  let preview = '';
  let count = 0;
  for (const character of flat) {
    if (count >= previewCharsMax) return { preview, full: true };
    preview += character;
    count += 1;
  }
  return { preview, full: false };
}
