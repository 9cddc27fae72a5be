// BODY[…] and its RFC 3501 names: RFC822, RFC822.HEADER, RFC822.TEXT. The `<origin>` of a partial is told
// back; a partial beyond the end is the empty string, a section that does not exist is NIL.
import { FieldNames } from '../../mime/field-names.ts';
import { headerText } from '../../mime/header.ts';
import { usualFields } from '../../mime/usual-fields.ts';
import { Encoder } from '../wire/encoder.ts';
import type { FetchItem, Partial, Section } from '../wire/fetch-item.ts';
import { literalText } from '../wire/octet-text.ts';
import type { Answerer, ItemAnswer, ItemNeed } from './answer.ts';
import { headerSubset, type Selection } from './header-subset.ts';
import { resolveSection } from './section.ts';

export type SectionItem = Extract<FetchItem, { kind: 'section' }>;

/** Header fields of the message itself that the metadata cell holds need no body. */
export function sectionNeed({ section }: SectionItem): ItemNeed {
  if (isUsualSubset(section)) return 'metadata';
  return isWhole(section) ? 'octets' : 'body';
}

/** The answerer of an item of the whole message, from its octets; see `sectionNeed`. */
export function wholeAnswerer(item: SectionItem): (size: number) => ItemAnswer {
  const label = labelOf(item);
  return (size) => octets(label, cut(0, size, item.partial));
}

export function sectionAnswerer(item: SectionItem): Answerer {
  const { section, partial } = item;
  const label = labelOf(item);
  const selection = selectionOf(section);
  if (selection === null) {
    return ({ structure }) => {
      const range = resolveSection(structure, section);
      return range === null ? absent(label) : octets(label, cut(range.from, range.to, partial));
    };
  }
  const subset = (header: string): ItemAnswer => {
    const text = headerSubset(header, selection);
    const { from, to } = cut(0, text.length, partial);
    return { kind: 'text', text: `${label} ${literalText(text.slice(from, to))}` };
  };
  // Every message has a header of its own, whatever its structure.
  if (isUsualSubset(section)) return ({ headerLines }) => subset(headerLines);
  return ({ structure }) => {
    const range = resolveSection(structure, section);
    if (range === null) return absent(label);
    if (range.from === range.to) return subset('');
    return { kind: 'derive', ...range, finish: (bytes) => subset(headerText(bytes)) };
  };
}

function octets(label: string, range: { readonly from: number; readonly to: number }): ItemAnswer {
  if (range.from === range.to) return { kind: 'text', text: `${label} ${literalText('')}` };
  return { kind: 'octets', label, ...range };
}

const absent = (label: string): ItemAnswer => ({ kind: 'text', text: `${label} NIL` });

const isWhole = ({ text, part }: Section): boolean => text === 'all' && part.length === 0;

const isUsualSubset = (section: Section): boolean =>
  section.text === 'header.fields' &&
  section.part.length === 0 &&
  section.fields.every((name) => usualFields.has(name.toLowerCase()));

function selectionOf(section: Section): Selection | null {
  if (!('fields' in section)) return null;
  const names = new FieldNames(section.fields.map((name) => name.toLowerCase()));
  return { names, keep: section.text === 'header.fields' };
}

/** The part of `[from, to)` that a partial asks for; empty if it begins beyond the end. */
export function cut(
  from: number,
  to: number,
  partial: Partial | null,
): { readonly from: number; readonly to: number } {
  if (partial === null) return { from, to };
  const start = Math.min(from + partial.offset, to);
  return { from: start, to: Math.min(start + partial.count, to) };
}

/** What the answer calls the item, one character an octet: a field name may come as a literal. */
function labelOf({ label, section, partial }: SectionItem): string {
  if (label !== 'BODY') return label;
  const { part, text } = section;
  const name = [...part.map(String), ...(text === 'all' ? [] : [text.toUpperCase()])].join('.');
  const origin = partial === null ? '' : `<${partial.offset}>`;
  if (!('fields' in section)) return `BODY[${name}]${origin}`;
  const enc = new Encoder();
  enc.list(section.fields, (field) => enc.astring(field));
  return `BODY[${name} ${Buffer.concat(enc.take()).toString('latin1')}]${origin}`;
}
