// Byte classes of RFC 9051 §9, as one lookup table with a bit per class.

const atomBit = 1;
const astringBit = 2;
const tagBit = 4;
const listBit = 8;
const digitBit = 16;
const quotableBit = 32;

const table = buildTable();

function buildTable(): Uint8Array {
  const out = new Uint8Array(256);
  for (let b = 0x20; b < 0x7f; b += 1) {
    const c = String.fromCharCode(b);
    let bits = 0;
    // atom-specials = "(" / ")" / "{" / SP / CTL / list-wildcards / quoted-specials / "]"
    const atom = !'(){ %*"\\]'.includes(c);
    if (atom) bits |= atomBit;
    if (atom || c === ']') bits |= astringBit;
    if ((atom || c === ']') && c !== '+') bits |= tagBit;
    if (atom || '%*]'.includes(c)) bits |= listBit;
    if (c >= '0' && c <= '9') bits |= digitBit;
    if (c !== '"' && c !== '\\') bits |= quotableBit;
    out[b] = bits;
  }
  return out;
}

const has = (byte: number, bit: number): boolean => ((table[byte] ?? 0) & bit) !== 0;

/** ATOM-CHAR. */
export const isAtomChar = (byte: number): boolean => has(byte, atomBit);
/** ASTRING-CHAR = ATOM-CHAR / resp-specials. */
export const isAstringChar = (byte: number): boolean => has(byte, astringBit);
/** Any ASTRING-CHAR except "+". */
export const isTagChar = (byte: number): boolean => has(byte, tagBit);
/** list-char = ATOM-CHAR / list-wildcards / resp-specials. */
export const isListChar = (byte: number): boolean => has(byte, listBit);
export const isDigit = (byte: number): boolean => has(byte, digitBit);
/** A printable ASCII byte that stands in a quoted string without an escape. */
export const isQuotable = (byte: number): boolean => has(byte, quotableBit);
