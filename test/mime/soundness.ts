// What must hold for every part tree, whatever the bytes were.
import { walkParts, type MimePart, type ParsedMessage } from '../../src/mime/part.ts';

/** The first violated rule in words, or null. */
export function unsoundness(parsed: ParsedMessage, bytes: Uint8Array): string | null {
  if (parsed.size !== bytes.length) return 'size';
  if (parsed.root.headerStart !== 0 || parsed.root.bodyEnd !== bytes.length) return 'root';
  for (const part of walkParts(parsed.root)) {
    const fault = partFault(part, bytes);
    if (fault !== null) return `${fault} at ${part.headerStart}`;
  }
  return null;
}

function partFault(part: MimePart, bytes: Uint8Array): string | null {
  if (part.headerStart > part.bodyStart || part.bodyStart > part.bodyEnd) return 'order';
  if (part.type !== 'multipart' && part.children.length > 0) return 'children';
  if (part.encoding === '' || part.type === '' || part.subtype === '') return 'empty name';
  const lines = lineEnds(bytes.subarray(part.bodyStart, part.bodyEnd));
  if (hasLf(bytes) && startsWithLf(bytes) && part.lines !== lines)
    return `lines ${part.lines} ${lines}`;
  const inner = part.message === null ? part.children : [part.message.root];
  let at = part.bodyStart;
  for (const child of inner) {
    if (child.headerStart < at || child.bodyEnd > part.bodyEnd) return 'child outside';
    at = child.bodyEnd;
  }
  return null;
}

const lineEnds = (bytes: Uint8Array): number => {
  let count = 0;
  for (const byte of bytes) if (byte === 10) count += 1;
  return count;
};

const hasLf = (bytes: Uint8Array): boolean => bytes.includes(10);

/** True if the first line end is LF or CRLF, so that bare CR ends no line in the message. */
const startsWithLf = (bytes: Uint8Array): boolean => {
  const cr = bytes.indexOf(13);
  const lf = bytes.indexOf(10);
  return cr < 0 || lf < cr || bytes[cr + 1] === 10 || bytes[cr + 1] === 13;
};
