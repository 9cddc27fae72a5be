// Strings of responses (RFC 9051 §9 `string`, `nstring`) as text with one character an octet, so that a
// whole line is put together as text and written once. Same forms as `Encoder.string`. Pure.

/** Longer strings are written as literals even if they could be quoted. */
export const quotedBytesMax = 1000;

/** QUOTED-CHAR without what needs an escape; see `isQuotable`. */
const quotable = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/u;

/** Quoted where possible, else a literal. NUL, which a literal may not hold, becomes `?`. */
export function stringText(text: string): string {
  if (text.length <= quotedBytesMax && quotable.test(text)) return `"${text}"`;
  return literalText(text.includes('\0') ? text.replaceAll('\0', '?') : text);
}

export const nstringText = (text: string | null): string =>
  text === null ? 'NIL' : stringText(text);

/** Always a literal. The text must hold no NUL. */
export const literalText = (text: string): string => `{${text.length}}\r\n${text}`;
