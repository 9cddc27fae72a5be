// HEADER.FIELDS and HEADER.FIELDS.NOT (RFC 9051 §6.4.5.1): the raw lines of some fields and an empty
// line. Folds, order and octets stay; line ends become CRLF, since this is a text made for the answer.
import { headerFields, lineEndOf } from '../../mime/header.ts';
import type { SectionRange } from './section.ts';

type Selection = NonNullable<SectionRange['fields']>;

/** The selected lines of a latin1 header, with the empty line that ends them. */
export function headerSubset(header: string, { names, keep }: Selection): Buffer {
  const lineEnd = lineEndOf(header);
  let out = '';
  for (const field of headerFields(header)) {
    if (names.has(field.lowerName) !== keep) continue;
    out += withCrlf(header.slice(field.start, field.end), lineEnd);
  }
  return Buffer.from(`${out}\r\n`, 'latin1');
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
