// Content transfer encodings (RFC 2045 §6), decoded tolerantly: what is not of the alphabet is
// skipped or kept as text, as mail programs do. Names that are not known leave the bytes as they are.

export type TransferDecoder = (bytes: Uint8Array) => Uint8Array;

const decoders: Readonly<Record<string, TransferDecoder>> = {
  base64: decodeBase64,
  'quoted-printable': decodeQuotedPrintable,
  'x-uuencode': decodeUuencode,
  uuencode: decodeUuencode,
  'x-uue': decodeUuencode,
};
const identity: ReadonlySet<string> = new Set(['7bit', '8bit', 'binary']);

/** True if BINARY can answer for the encoding; else UNKNOWN-CTE (RFC 3516 §4.3). */
export const knowsEncoding = (encoding: string): boolean =>
  identity.has(encoding) || Object.hasOwn(decoders, encoding);

/** True if decoding leaves the bytes as they are. */
export const isIdentityEncoding = (encoding: string): boolean => !Object.hasOwn(decoders, encoding);

/** The decoded bytes; `bytes` itself for identity and unknown encodings. */
export function decodeTransfer(bytes: Uint8Array, encoding: string): Uint8Array {
  return (Object.hasOwn(decoders, encoding) ? decoders[encoding] : undefined)?.(bytes) ?? bytes;
}

const invalid = 255;
const sextets = new Uint8Array(256).fill(invalid);
const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
for (let i = 0; i < alphabet.length; i += 1) sextets[alphabet.charCodeAt(i)] = i;
const padding = 61;

/**
 * Base64 (RFC 2045 §6.8). Characters outside the alphabet are skipped; padding ends a run of four, so
 * that joined base64 texts decode each. A last single sextet is dropped.
 */
export function decodeBase64(bytes: Uint8Array): Uint8Array {
  if (isOrdinary(bytes)) {
    const { buffer, byteOffset, byteLength } = bytes;
    return Buffer.from(Buffer.from(buffer, byteOffset, byteLength).toString('latin1'), 'base64');
  }
  return decodeDamaged(bytes);
}

/** Node decodes a hundred times faster, but stops at the first "=" and takes "-" and "_" for digits. */
function isOrdinary(bytes: Uint8Array): boolean {
  if (bytes.includes(45) || bytes.includes(95)) return false;
  const end = bytes.indexOf(padding);
  if (end < 0) return true;
  for (let i = end; i < bytes.length; i += 1) {
    if (sextets[bytes[i] ?? 0] !== invalid) return false;
  }
  return true;
}

function decodeDamaged(bytes: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(Math.ceil((bytes.length * 3) / 4) + 3);
  let length = 0;
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    const sextet = sextets[byte] ?? invalid;
    if (sextet !== invalid) {
      bits = (bits << 6) | sextet;
      held += 1;
      if (held < 4) continue;
      out[length] = bits >> 16;
      out[length + 1] = (bits >> 8) & 255;
      out[length + 2] = bits & 255;
      length += 3;
      bits = held = 0;
    } else if (byte === padding && held > 0) {
      length = flush(out, length, bits, held);
      bits = held = 0;
    }
  }
  return out.subarray(0, flush(out, length, bits, held));
}

function flush(out: Buffer, length: number, bits: number, held: number): number {
  if (held === 2) {
    out[length] = (bits >> 4) & 255;
    return length + 1;
  }
  if (held === 3) {
    out[length] = (bits >> 10) & 255;
    out[length + 1] = (bits >> 2) & 255;
    return length + 2;
  }
  return length;
}

/** Value of a hexadecimal digit in either case, or -1. */
export function hexDigit(code: number | undefined): number {
  if (code === undefined) return -1;
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 65 && code <= 70) return code - 55;
  return code >= 97 && code <= 102 ? code - 87 : -1;
}

const isBlank = (byte: number | undefined): boolean => byte === 32 || byte === 9;
const equals = 61;

/** Quoted-printable (RFC 2045 §6.7): soft breaks go, blanks at line ends go, bad escapes stay. */
export function decodeQuotedPrintable(bytes: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  /** Length of the output without the blanks at its end. */
  let solid = 0;
  const end = bytes.length;
  for (let i = 0; i < end; i += 1) {
    const byte = bytes[i] ?? 0;
    // Nearly every byte stands for itself and is no blank.
    if (byte > 32 && byte !== equals) {
      out[length] = byte;
      length += 1;
      solid = length;
      continue;
    }
    if (byte === equals) {
      const high = hexDigit(bytes[i + 1]);
      const low = hexDigit(bytes[i + 2]);
      if (high >= 0 && low >= 0) {
        out[length] = high * 16 + low;
        length += 1;
        solid = length;
        i += 2;
        continue;
      }
      const after = softBreak(bytes, i + 1);
      if (after > 0) {
        i = after - 1;
        solid = length;
        continue;
      }
    } else if (byte === 10 || byte === 13) {
      length = solid;
    }
    out[length] = byte;
    length += 1;
    if (!isBlank(byte)) solid = length;
  }
  return out.subarray(0, length);
}

/** Index after a soft line break whose "=" stands before `from`, or 0 if there is none. */
function softBreak(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isBlank(bytes[at])) at += 1;
  if (at >= bytes.length) return bytes.length;
  if (bytes[at] === 10) return at + 1;
  if (bytes[at] !== 13) return 0;
  return bytes[at + 1] === 10 ? at + 2 : at + 1;
}

/** Uuencode as old mail carries it: the lines between `begin` and `end`. */
export function decodeUuencode(bytes: Uint8Array): Uint8Array {
  const out: number[] = [];
  let begun = false;
  for (const line of Buffer.from(bytes).toString('latin1').split('\n')) {
    if (!begun) {
      begun = /^begin [0-7]{3,4} /u.test(line);
      continue;
    }
    if (/^end\s*$/u.test(line)) break;
    let left = (line.charCodeAt(0) - 32) & 63;
    for (let i = 1; left > 0 && i < line.length; i += 4) {
      const at = (k: number): number => ((line.charCodeAt(i + k) || 32) - 32) & 63;
      const triple = (at(0) << 18) | (at(1) << 12) | (at(2) << 6) | at(3);
      for (let shift = 16; shift >= 0 && left > 0; shift -= 8, left -= 1) {
        out.push((triple >> shift) & 255);
      }
    }
  }
  return begun ? Buffer.from(out) : bytes;
}
