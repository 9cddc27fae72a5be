// Header blocks as latin1 text: where each field begins and ends (RFC 5322 §2.2), and its value.
// A line that is neither a field nor a continuation is skipped, as mail servers do; the block goes on.

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

const isBlank = (header: string, start: number, next: number): boolean => {
  for (let i = start; i < next; i += 1) {
    const code = header.charCodeAt(i);
    if (code !== 13 && code !== 10) return false;
  }
  return true;
};

/** The fields of a header block in order; stops at the empty line. Linear in its length. */
export function headerFields(header: string): HeaderField[] {
  const lineEnd = lineEndOf(header);
  const fields: HeaderField[] = [];
  let name = '';
  let start = -1;
  let valueStart = -1;
  for (let at = 0; at < header.length;) {
    const found = header.indexOf(lineEnd, at);
    const next = found < 0 ? header.length : found + 1;
    const first = header.charCodeAt(at);
    if ((first === 13 || first === 10) && isBlank(header, at, next)) {
      if (start >= 0) fields.push(fieldOf(name, start, valueStart, at));
      return fields;
    }
    const folded = first === space || first === tab;
    // A first line that begins with a space is a field all the same: a common fault of scripts.
    if (!folded || (start < 0 && fields.length === 0)) {
      if (start >= 0) fields.push(fieldOf(name, start, valueStart, at));
      const nameStart = folded ? skipBlanks(header, at, next) : at;
      const colon = fieldColon(header, nameStart, next);
      start = colon < 0 ? -1 : at;
      valueStart = colon + 1;
      if (colon >= 0) name = header.slice(nameStart, colon);
    }
    at = next;
  }
  if (start >= 0) fields.push(fieldOf(name, start, valueStart, header.length));
  return fields;
}

function fieldOf(written: string, start: number, valueStart: number, end: number): HeaderField {
  const name = written.trimEnd();
  return { name, lowerName: name.toLowerCase(), start, valueStart, end };
}

function skipBlanks(text: string, from: number, end: number): number {
  let at = from;
  while (at < end && (text.charCodeAt(at) === space || text.charCodeAt(at) === tab)) at += 1;
  return at;
}

/**
 * A value on one line: line ends removed (RFC 5322 §2.2.3), ends trimmed. NUL becomes 0x80, since
 * no IMAP string may hold it (RFC 9051 §9, `CHAR8`); the stored original is untouched.
 */
export function unfold(raw: string): string {
  let value = raw;
  if (value.includes('\n') || value.includes('\r')) value = value.replace(/[\r\n]+/gu, '');
  if (value.includes('\0')) value = value.replaceAll('\0', '\x80');
  return trimBlank(value);
}

const trimBlank = (text: string): string => {
  let start = 0;
  let end = text.length;
  const blank = (code: number): boolean => code === space || code === tab;
  while (start < end && blank(text.charCodeAt(start))) start += 1;
  while (end > start && blank(text.charCodeAt(end - 1))) end -= 1;
  return start === 0 && end === text.length ? text : text.slice(start, end);
};

/** The unfolded value of one field. */
export const fieldValue = (header: string, field: HeaderField): string =>
  unfold(header.slice(field.valueStart, field.end));

/** All unfolded values of `name` (lower case), in order. */
export function headerValues(header: string, name: string): string[] {
  return headerFields(header)
    .filter((field) => field.lowerName === name)
    .map((field) => fieldValue(header, field));
}

/** The raw lines, with their line ends, of the fields in `names` (lower case), in order. */
export function headerLines(header: string, names: ReadonlySet<string>): string[] {
  return headerFields(header)
    .filter((field) => names.has(field.lowerName))
    .map((field) => header.slice(field.start, field.end));
}

/** A header block as text; octets become the characters U+0000 to U+00FF. */
export const headerText = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
