// Parameter values for people: RFC 2231 charset and percent encoding, and the encoded words that many
// mailers put there although RFC 2047 §5 forbids it.
import { decodeCharset } from './charset.ts';
import { decodeHeaderText } from './encoded-word.ts';
import type { MimePart, Parameters } from './part.ts';
import { hexDigit } from './transfer-encoding.ts';

/** The value of `name` (lower case) as stored: latin1, first of its name; null if absent. */
export function rawParameter(params: Parameters, name: string): string | null {
  return params.find(([key]) => key === name)?.[1] ?? null;
}

/** The decoded value of `name` (lower case); the RFC 2231 form wins. Null if absent. */
export function decodeParameter(params: Parameters, name: string): string | null {
  const extended = rawParameter(params, `${name}*`);
  if (extended !== null) return decodeExtended(extended);
  const plain = rawParameter(params, name);
  return plain === null ? null : decodeHeaderText(plain);
}

/** `charset'language'percent-encoded` (RFC 2231 §4); without the quotes the text is UTF-8. */
function decodeExtended(value: string): string {
  const first = value.indexOf("'");
  const second = first < 0 ? -1 : value.indexOf("'", first + 1);
  const charset = second < 0 ? null : value.slice(0, first);
  return decodeCharset(percentDecode(value.slice(second + 1)), charset);
}

function percentDecode(text: string): Uint8Array {
  const out = Buffer.allocUnsafe(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    const high = code === 37 ? hexDigit(text.charCodeAt(i + 1)) : -1;
    const low = high >= 0 ? hexDigit(text.charCodeAt(i + 2)) : -1;
    out[length] = low >= 0 ? high * 16 + low : code;
    length += 1;
    if (low >= 0) i += 2;
  }
  return out.subarray(0, length);
}

/** The file name of a part from Content-Disposition, else from Content-Type; null if it has none. */
export function fileNameOf(part: MimePart): string | null {
  const named =
    part.disposition === null ? null : decodeParameter(part.disposition.params, 'filename');
  return named ?? decodeParameter(part.params, 'name');
}
