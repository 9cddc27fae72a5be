// How search texts are compared: without regard to case and composition, in the sense of
// i;unicode-casemap (RFC 5051), which RFC 9051 §6.4.4 asks for.

const ascii = /^[\0-\x7f]*$/u;

/** Texts that only differ in case or composition become equal. Length may change. */
export function fold(text: string): string {
  return ascii.test(text) ? text.toUpperCase() : text.normalize('NFKD').toUpperCase();
}

/** Runs of white space as one blank: folding of header lines is no part of the text. */
export const oneLine = (text: string): string => text.replace(/\s+/gu, ' ');

/** As `fold`, on one line. */
export const foldHeader = (text: string): string => fold(oneLine(text));
