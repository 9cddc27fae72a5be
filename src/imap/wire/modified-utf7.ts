// Mailbox names in IMAP4rev1: modified UTF-7 (RFC 3501 §5.1.3) to Unicode and back. Strict in
// reading (no unpaired surrogate, no base64 of what is printable, no stray bits), so that a name
// has one spelling only; the caller decides what becomes of a name that does not decode.

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,';

const values = new Int8Array(128).fill(-1);
for (let i = 0; i < alphabet.length; i += 1) values[alphabet.charCodeAt(i)] = i;

const isPrintable = (unit: number): boolean => unit >= 0x20 && unit <= 0x7e;

/** Unicode to modified UTF-7; unpaired surrogates become U+FFFD. */
export function encodeModifiedUtf7(text: string): string {
  let out = '';
  let shifted: number[] = [];
  const flush = (): void => {
    if (shifted.length > 0) out += `&${toBase64(shifted)}-`;
    shifted = [];
  };
  const whole = text.toWellFormed();
  for (let i = 0; i < whole.length; i += 1) {
    const unit = whole.charCodeAt(i);
    if (isPrintable(unit)) {
      flush();
      out += unit === 0x26 ? '&-' : String.fromCharCode(unit);
    } else {
      shifted.push(unit);
    }
  }
  flush();
  return out;
}

/** Modified UTF-7 to Unicode; null if it is not the one right spelling of a name. */
export function decodeModifiedUtf7(name: string): string | null {
  let out = '';
  let at = 0;
  let afterShift = false;
  while (at < name.length) {
    const unit = name.charCodeAt(at);
    if (!isPrintable(unit)) return null;
    if (unit !== 0x26) {
      out += name.charAt(at);
      at += 1;
      afterShift = false;
      continue;
    }
    const end = name.indexOf('-', at);
    if (end < 0) return null;
    if (end === at + 1) {
      out += '&';
      afterShift = false;
    } else {
      // Two neighbouring shifted runs would be a second spelling of one.
      if (afterShift) return null;
      const run = fromBase64(name.slice(at + 1, end));
      if (run === null) return null;
      out += run;
      afterShift = true;
    }
    at = end + 1;
  }
  return out;
}

function toBase64(units: readonly number[]): string {
  let out = '';
  let bits = 0;
  let held = 0;
  for (const unit of units) {
    bits = (bits << 16) | unit;
    held += 16;
    while (held >= 6) {
      held -= 6;
      out += alphabet.charAt((bits >>> held) & 63);
      bits &= (1 << held) - 1;
    }
  }
  if (held > 0) out += alphabet.charAt((bits << (6 - held)) & 63);
  return out;
}

function fromBase64(text: string): string | null {
  const units: number[] = [];
  let bits = 0;
  let held = 0;
  for (let i = 0; i < text.length; i += 1) {
    const value = values[text.charCodeAt(i)] ?? -1;
    if (value < 0) return null;
    bits = (bits << 6) | value;
    held += 6;
    if (held >= 16) {
      held -= 16;
      const unit = (bits >>> held) & 0xffff;
      if (isPrintable(unit)) return null;
      units.push(unit);
      bits &= (1 << held) - 1;
    }
  }
  if (held >= 6 || bits !== 0 || units.length === 0) return null;
  const run = String.fromCharCode(...units);
  return run.isWellFormed() ? run : null;
}
