// Base64 as mail programs write it (RFC 2045 §6.8): lines of one length, all ended alike, the last one shorter,
// padding only at the end. Such text is a function of the bytes it carries, so it need not be kept itself.
// Whatever differs by an octet is not such text. Used by docs/formats/recipe.md. Pure.

export interface Base64Form {
  /** Characters of each line but the last: a multiple of 4 up to 65,532; 0: one line without any line end. */
  readonly lineLength: number;
  readonly lineEnd: '' | '\n' | '\r\n';
}

export interface Base64Text {
  readonly form: Base64Form;
  readonly plain: Buffer;
  /** Octets of the text; what follows in the input is line ends alone. */
  readonly length: number;
}

export const base64LineMax = 65_532;

/** Octets of the text that `plainLength` octets make; no line end after the last line. */
export function base64TextLength(form: Base64Form, plainLength: number): number {
  const characters = 4 * Math.ceil(plainLength / 3);
  if (form.lineLength === 0 || characters === 0) return characters;
  const lines = Math.ceil(characters / form.lineLength);
  return characters + (lines - 1) * form.lineEnd.length;
}

/**
 * Octets `from` to `to` of the plain bytes that the octets `from` to `to` of the text are made of, and where the
 * text of exactly those plain octets begins.
 */
export function plainRangeOf(
  { lineLength, lineEnd }: Base64Form,
  from: number,
  to: number,
): { readonly from: number; readonly to: number; readonly textFrom: number } {
  if (lineLength === 0) {
    const first = Math.floor(from / 4);
    return { from: 3 * first, to: 3 * Math.ceil(to / 4), textFrom: 4 * first };
  }
  const step = lineLength + lineEnd.length;
  const line = Math.floor(from / step);
  const perLine = (lineLength / 4) * 3;
  return { from: line * perLine, to: Math.ceil(to / step) * perLine, textFrom: line * step };
}

/** The text of `plain`, as if it began with a line. */
export function encodeBase64Lines({ lineLength, lineEnd }: Base64Form, plain: Uint8Array): Buffer {
  const { buffer, byteOffset, byteLength } = plain;
  const text = Buffer.from(buffer, byteOffset, byteLength).toString('base64');
  if (lineLength === 0 || text.length <= lineLength) return Buffer.from(text, 'latin1');
  const out = Buffer.allocUnsafe(base64TextLength({ lineLength, lineEnd }, byteLength));
  let at = 0;
  for (let from = 0; from < text.length; from += lineLength) {
    if (from > 0) at += out.write(lineEnd, at, 'latin1');
    at += out.write(text.slice(from, from + lineLength), at, 'latin1');
  }
  return out;
}

const lf = 10;
const cr = 13;

/** The bytes and the form of such text; undefined for any other. The proof is that encoding gives the text again. */
export function decodeBase64Lines(bytes: Uint8Array): Base64Text | undefined {
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let length = input.length;
  while (length > 0 && (input[length - 1] === lf || input[length - 1] === cr)) length -= 1;
  const form = formOf(input, length);
  if (form === undefined) return undefined;
  const text = input.subarray(0, length);
  const plain = Buffer.from(text.toString('latin1'), 'base64');
  if (base64TextLength(form, plain.length) !== length) return undefined;
  return encodeBase64Lines(form, plain).equals(text) ? { form, plain, length } : undefined;
}

/** What the first line promises. */
function formOf(input: Buffer, length: number): Base64Form | undefined {
  const found = input.indexOf(lf);
  if (found < 0 || found >= length) return { lineLength: 0, lineEnd: '' };
  const lineEnd = input[found - 1] === cr ? '\r\n' : '\n';
  const lineLength = found + 1 - lineEnd.length;
  const fits = lineLength >= 4 && lineLength % 4 === 0 && lineLength <= base64LineMax;
  return fits ? { lineLength, lineEnd } : undefined;
}
