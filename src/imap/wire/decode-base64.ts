// base64 of AUTHENTICATE (RFC 9051 §9, RFC 4959): strict, so that a password has one spelling.
import type { Decoder } from './decoder.ts';

/** The bytes, or null if `text` is not base64 with right padding. */
export function decodeBase64(text: string): Uint8Array | null {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  return new Uint8Array(Buffer.from(text, 'base64'));
}

/** `=` for an empty initial response, or base64. */
export function expectInitialResponse(dec: Decoder): Uint8Array {
  const text = dec.run((byte) => byte > 0x20 && byte < 0x7f);
  if (text === '=') return new Uint8Array(0);
  const bytes = text === null ? null : decodeBase64(text);
  if (bytes === null) throw dec.fail('expected base64');
  return bytes;
}
