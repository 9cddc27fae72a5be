// Where a section of a message lies in its original (RFC 9051 §6.4.5.1): part numbers are looked up in
// the stored structure, so that only the octets asked for are read.
import type { MessageStructure, MimePart } from '../../mime/part.ts';
import type { Section } from '../wire/fetch-item.ts';

/** Octets `[from, to)` of the original; for HEADER.FIELDS those of the whole header. */
export interface SectionRange {
  readonly from: number;
  readonly to: number;
}

/** A part, or the empty text part that stands for a multipart without parts. */
export type FoundPart = MimePart | 'empty';

/**
 * The part with these numbers, or null. A message that is not a multipart is its own part 1; an
 * embedded message's parts are numbered below its own number.
 */
export function findPart(root: MimePart, numbers: readonly number[]): FoundPart | null {
  let part: FoundPart = root;
  let isMessageRoot = true;
  for (const number of numbers) {
    if (part === 'empty') return null;
    if (!isMessageRoot && part.message !== null) {
      part = part.message.root;
      isMessageRoot = true;
    }
    const inside: FoundPart | null = partInside(part, number, isMessageRoot);
    if (inside === null) return null;
    part = inside;
    isMessageRoot = false;
  }
  return part;
}

function partInside(part: MimePart, number: number, isMessageRoot: boolean): FoundPart | null {
  if (part.type === 'multipart' && !part.opaque) {
    if (part.children.length === 0) return number === 1 ? 'empty' : null;
    return part.children[number - 1] ?? null;
  }
  return isMessageRoot && number === 1 ? part : null;
}

/** The place of a section; null if the message has none such, which is answered with NIL. */
export function resolveSection(structure: MessageStructure, section: Section): SectionRange | null {
  const { root, size } = structure;
  if (section.part.length === 0 && section.text === 'all') {
    return { from: 0, to: size };
  }
  const part = findPart(root, section.part);
  if (part === null) return null;
  if (part === 'empty') return emptySection(section);
  if (section.text === 'all') return { from: part.bodyStart, to: part.bodyEnd };
  if (section.text === 'mime') return { from: part.headerStart, to: part.bodyStart };
  // HEADER and TEXT belong to messages: the whole one, or the one inside a message/rfc822 part.
  const message = section.part.length === 0 ? root : part.message?.root;
  if (message === undefined) return null;
  if (section.text === 'text') return { from: message.bodyStart, to: message.bodyEnd };
  return { from: message.headerStart, to: message.bodyStart };
}

const emptySection = (section: Section): SectionRange | null =>
  section.text === 'all' || section.text === 'mime' ? { from: 0, to: 0 } : null;
