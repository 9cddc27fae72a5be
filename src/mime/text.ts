// Text of a message for people and for search: transfer encoding and charset undone.
import { decodeCharset, decodeUnlabelled } from './charset.ts';
import { htmlText } from './html-text.ts';
import { rawParameter } from './parameters.ts';
import { walkParts, type MimePart } from './part.ts';
import { decodeTransfer } from './transfer-encoding.ts';

const metaCharset = /<meta[^>]{0,200}?charset\s*=\s*["']?([\w.:-]{1,40})/iu;
const metaBytesMax = 2_048;

/** The decoded text of a text part's body. `bytes` is the whole message. Never throws. */
export function partText(bytes: Uint8Array, part: MimePart): string {
  return bodyText(bytes.subarray(part.bodyStart, part.bodyEnd), part);
}

/** As `partText` for the encoded body alone, `body` being `[bodyStart, bodyEnd)` or its beginning. */
export function bodyText(
  body: Uint8Array,
  part: Pick<MimePart, 'encoding' | 'params' | 'subtype'>,
): string {
  const decoded = decodeTransfer(body, part.encoding);
  const charset = rawParameter(part.params, 'charset');
  if (charset !== null) return decodeCharset(decoded, charset);
  if (part.subtype !== 'html') return decodeUnlabelled(decoded);
  const head = Buffer.from(decoded.subarray(0, metaBytesMax)).toString('latin1');
  return decodeUnlabelled(decoded, metaCharset.exec(head)?.[1] ?? null);
}

/** True for parts that a reader sees as text: type text, or a message without delimiters. */
export const isTextPart = (part: MimePart): boolean => part.type === 'text' && !part.opaque;

/** All text parts in order, embedded messages included. */
export function textParts(root: MimePart): MimePart[] {
  return [...walkParts(root)].filter(isTextPart);
}

/** The text of a part without markup. */
export function plainText(text: string, part: Pick<MimePart, 'subtype'>): string {
  return part.subtype === 'html' ? htmlText(text) : text;
}
