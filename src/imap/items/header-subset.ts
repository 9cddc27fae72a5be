// HEADER.FIELDS and HEADER.FIELDS.NOT (RFC 9051 §6.4.5.1): the raw lines of some fields and an empty
// line. Folds, order and octets stay; line ends become CRLF, since this is a text made for the answer.
import type { FieldNames } from '../../mime/field-names.ts';
import { FieldReader } from '../../mime/header.ts';

/** Names to keep or to drop. */
export interface Selection {
  readonly names: FieldNames;
  readonly keep: boolean;
}

/** The selected lines of a latin1 header, with the empty line that ends them. */
export function headerSubset(header: string, { names, keep }: Selection): string {
  const reader = new FieldReader(header);
  let out = '';
  // Neighbours are taken in one piece.
  let from = 0;
  let to = 0;
  while (reader.next()) {
    const named = names.find(header, reader.nameStart, reader.nameEnd) !== undefined;
    if (named !== keep) continue;
    if (reader.start !== to) {
      out += header.slice(from, to);
      from = reader.start;
    }
    to = reader.end;
  }
  out += header.slice(from, to);
  if (out === '') return '\r\n';
  const ready =
    reader.lineEnd === '\n' &&
    !reader.bareLf &&
    header.charCodeAt(to - 1) === 10 &&
    !header.includes('\0');
  return `${ready ? out : withCrlf(out, reader.lineEnd)}\r\n`;
}

/**
 * Only what ended lines before ends lines now: a stray CR inside a value must not become a new field.
 * NUL becomes 0x80, since no literal of a text may hold it (RFC 9051 §9 `CHAR8`).
 */
function withCrlf(lines: string, lineEnd: '\n' | '\r'): string {
  const clean = lines.includes('\0') ? lines.replaceAll('\0', '\x80') : lines;
  const ended = clean.endsWith(lineEnd) ? clean : `${clean}${lineEnd}`;
  return lineEnd === '\n' ? ended.replace(/\r?\n/gu, '\r\n') : ended.replaceAll('\r', '\r\n');
}
