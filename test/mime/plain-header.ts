// Header fields read the plain way, as a second opinion on `FieldReader`: lines are cut out, names are
// cut out, nothing is skipped cleverly. Also headers at random, made of what headers break on.
import fc from 'fast-check';
import type { HeaderField } from '../../src/mime/header.ts';

/** The octet that ends lines: CR only where there is no LF at all. */
export const plainLineEnd = (header: string): '\n' | '\r' =>
  /^[^\n]*\r[^\n]*$/u.test(header) ? '\r' : '\n';

/** RFC 5322 §2.2, §4.5: printable US-ASCII without colon, blanks, a colon. */
const nameAndColon = /^([\x21-\x39\x3b-\x7e]+)[ \t]*:/u;

export function plainFields(header: string): HeaderField[] {
  const lines = header.match(
    plainLineEnd(header) === '\n' ? /[^\n]*\n|[^\n]+$/gu : /[^\r]*\r|[^\r]+$/gu,
  );
  const fields: HeaderField[] = [];
  let open = false;
  let at = 0;
  for (const line of lines ?? []) {
    if (/^[\r\n]+$/u.test(line)) break;
    const folded = /^[ \t]/u.test(line);
    if (folded && open) {
      fields.push({ ...fields.pop()!, end: at + line.length });
    } else if (!folded || fields.length === 0) {
      const blanks = /^[ \t]*/u.exec(line)![0].length;
      const found = nameAndColon.exec(line.slice(blanks));
      open = found !== null;
      if (found !== null) {
        const [{ length }, name] = [found[0], found[1]!];
        const lowerName = name.toLowerCase();
        fields.push({
          name,
          lowerName,
          start: at,
          valueStart: at + blanks + length,
          end: at + line.length,
        });
      }
    }
    at += line.length;
  }
  return fields;
}

const piece = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('\r\n', '\r\n', '\n', '\r', ' ', '\t', ':', 'Subject', 'x'),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'Subject: ',
      'subject : x',
      'TO: a@b\r\n',
      'To:\tc@d\n',
      ' folded\r\n',
      'no field\r\n',
      'From mailbox\r\n',
      'X-Cc: \r\r\n',
      ':',
      '\0',
      'Sübject: x\r\n',
      'Date:\x80\xff\r\n',
    ),
  },
);
/** Latin1 text that is nearly a header. */
export const headerAtRandom = fc
  .array(piece, { maxLength: 40, size: 'max' })
  .map((pieces) => pieces.join(''));
