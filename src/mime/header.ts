// Header blocks as latin1 text: where each field begins and ends (RFC 5322 §2.2), and its value.
// A line that is neither a field nor a continuation is skipped, as mail servers do; the block goes on.
import type { FieldNames } from './field-names.ts';

export interface HeaderField {
  /** As written. Compare with `lowerName`. */
  readonly name: string;
  readonly lowerName: string;
  /** Index in the header text where the line begins. */
  readonly start: number;
  /** Index after the colon. */
  readonly valueStart: number;
  /** Index after the last line end of the field, continuations included. */
  readonly end: number;
}

const space = 32;
const tab = 9;

/**
 * Index of the colon if a field begins at `at` (RFC 5322 §2.2: printable US-ASCII, then a colon;
 * white space before the colon is obsolete syntax, §4.5), else -1.
 */
export function fieldColon(text: string, at: number, end: number): number {
  let i = at;
  for (; i < end; i += 1) {
    const code = text.charCodeAt(i);
    if (code === 58) return i > at ? i : -1;
    if (code <= space || code > 126) break;
  }
  if (i === at) return -1;
  while (i < end && (text.charCodeAt(i) === space || text.charCodeAt(i) === tab)) i += 1;
  return i < end && text.charCodeAt(i) === 58 ? i : -1;
}

/** The line end used by a header block: bare CR only where no LF occurs at all. */
export function lineEndOf(header: string): '\n' | '\r' {
  return header.includes('\n') || !header.includes('\r') ? '\n' : '\r';
}

/**
 * Calls `visit` with the bounds of every line; stops when it answers false.
 * `next` is the index after the line end.
 */
export function eachLine(
  header: string,
  visit: (start: number, next: number) => boolean | undefined,
  lineEnd = lineEndOf(header),
): void {
  for (let at = 0; at < header.length;) {
    const found = header.indexOf(lineEnd, at);
    const next = found < 0 ? header.length : found + 1;
    if (visit(at, next) === false) return;
    at = next;
  }
}

const isLineEnd = (code: number): boolean => code === 13 || code === 10;

const isBlank = (header: string, start: number, next: number): boolean => {
  for (let i = start; i < next; i += 1) {
    if (!isLineEnd(header.charCodeAt(i))) return false;
  }
  return true;
};

/**
 * Goes from field to field of a header block, up to the empty line; linear in its length. One object for
 * the whole block: a list of messages reads some thousand fields and keeps none of them.
 */
export class FieldReader {
  readonly header: string;
  readonly lineEnd: '\n' | '\r';
  /** Index where the line of the field begins. */
  start = 0;
  /** The name as written is `[nameStart, nameEnd)`. */
  nameStart = 0;
  nameEnd = 0;
  /** Index after the colon. */
  valueStart = 0;
  /** Index after the last line end of the field, continuations included. */
  end = 0;
  /** A line so far ended with LF alone. */
  bareLf = false;
  #at = 0;
  #found = false;

  constructor(header: string) {
    this.header = header;
    this.lineEnd = lineEndOf(header);
  }

  /** Moves to the next field; false if there is none. */
  next(): boolean {
    const { header } = this;
    for (let at = this.#at; at < header.length;) {
      const next = this.#lineAfter(at);
      const first = header.charCodeAt(at);
      if (isLineEnd(first) && isBlank(header, at, next)) break;
      const folded = first === space || first === tab;
      // A first line that begins with a space is a field all the same: a common fault of scripts.
      if ((!folded || !this.#found) && this.#begins(at, folded, next)) {
        this.#at = this.#foldsAfter(next);
        this.end = this.#at;
        return true;
      }
      at = next;
    }
    this.#at = header.length;
    return false;
  }

  #begins(at: number, folded: boolean, next: number): boolean {
    const { header } = this;
    const nameStart = folded ? skipBlanks(header, at, next) : at;
    const colon = fieldColon(header, nameStart, next);
    if (colon < 0) return false;
    let nameEnd = colon;
    while (isBlankCode(header.charCodeAt(nameEnd - 1))) nameEnd -= 1;
    this.#found = true;
    this.start = at;
    this.nameStart = nameStart;
    this.nameEnd = nameEnd;
    this.valueStart = colon + 1;
    return true;
  }

  #foldsAfter(from: number): number {
    let at = from;
    while (isBlankCode(this.header.charCodeAt(at))) at = this.#lineAfter(at);
    return at;
  }

  #lineAfter(at: number): number {
    const { header, lineEnd } = this;
    const found = header.indexOf(lineEnd, at);
    if (found < 0) return header.length;
    if (lineEnd === '\n' && header.charCodeAt(found - 1) !== 13) this.bareLf = true;
    return found + 1;
  }
}

/** The fields of a header block in order; stops at the empty line. */
export function headerFields(header: string): HeaderField[] {
  const fields: HeaderField[] = [];
  const reader = new FieldReader(header);
  while (reader.next()) {
    const { start, nameStart, nameEnd, valueStart, end } = reader;
    const name = header.slice(nameStart, nameEnd);
    fields.push({ name, lowerName: name.toLowerCase(), start, valueStart, end });
  }
  return fields;
}

const isBlankCode = (code: number): boolean => code === space || code === tab;

function skipBlanks(text: string, from: number, end: number): number {
  let at = from;
  while (at < end && isBlankCode(text.charCodeAt(at))) at += 1;
  return at;
}

/**
 * A value on one line: line ends removed (RFC 5322 §2.2.3), ends trimmed. NUL becomes 0x80, since
 * no IMAP string may hold it (RFC 9051 §9, `CHAR8`); the stored original is untouched.
 */
export function unfold(raw: string): string {
  // Nearly every value ends with a line end, few have one inside.
  let end = raw.length;
  while (end > 0 && isLineEnd(raw.charCodeAt(end - 1))) end -= 1;
  let value = raw.slice(0, end);
  if (value.includes('\n') || value.includes('\r')) value = value.replace(/[\r\n]+/gu, '');
  if (value.includes('\0')) value = value.replaceAll('\0', '\x80');
  return trimBlank(value);
}

const trimBlank = (text: string): string => {
  let start = 0;
  let end = text.length;
  while (start < end && isBlankCode(text.charCodeAt(start))) start += 1;
  while (end > start && isBlankCode(text.charCodeAt(end - 1))) end -= 1;
  return start === 0 && end === text.length ? text : text.slice(start, end);
};

/** The unfolded value of one field. */
export const fieldValue = (
  header: string,
  field: Pick<HeaderField, 'valueStart' | 'end'>,
): string => unfold(header.slice(field.valueStart, field.end));

/** All unfolded values of `name` (lower case), in order. */
export function headerValues(header: string, name: string): string[] {
  return headerFields(header)
    .filter((field) => field.lowerName === name)
    .map((field) => fieldValue(header, field));
}

/** The raw lines, with their line ends, of the fields in `names`, in order. */
export function headerLines(header: string, names: FieldNames): string[] {
  const lines: string[] = [];
  const reader = new FieldReader(header);
  while (reader.next()) {
    if (names.find(header, reader.nameStart, reader.nameEnd) === undefined) continue;
    lines.push(header.slice(reader.start, reader.end));
  }
  return lines;
}

/** A header block as text; octets become the characters U+0000 to U+00FF. */
export const headerText = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
