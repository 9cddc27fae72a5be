// BODY[…] and its RFC 3501 names: RFC822, RFC822.HEADER, RFC822.TEXT. The `<origin>` of a partial is told
// back; a partial beyond the end is the empty string, a section that does not exist is NIL.
import { headerText } from '../../mime/header.ts';
import { usualFields } from '../../mime/usual-fields.ts';
import type { Encoder } from '../wire/encoder.ts';
import type { FetchItem, Partial, Section } from '../wire/fetch-item.ts';
import type { ItemAnswer, ItemNeed, ItemSource } from './answer.ts';
import { headerSubset } from './header-subset.ts';
import { resolveSection, type SectionRange } from './section.ts';

export type SectionItem = Extract<FetchItem, { kind: 'section' }>;

/** Header fields of the message itself that the metadata cell holds need no body. */
export function sectionNeed({ section }: SectionItem): ItemNeed {
  if (isUsualSubset(section)) return 'metadata';
  return isWhole(section) ? 'octets' : 'body';
}

/** The answer to an item of the whole message, which has `size` octets; see `sectionNeed`. */
export function answerWhole(item: SectionItem, size: number): ItemAnswer {
  return octets(item, cut(0, size, item.partial));
}

export function answerSection(item: SectionItem, source: ItemSource): ItemAnswer {
  const range = resolveSection(source.structure, item.section);
  if (range === null) return inline(item, null);
  if (range.fields !== null) {
    const { fields } = range;
    if (isUsualSubset(item.section)) {
      return subsetAnswer(item, fields, source.headerLines);
    }
    if (range.from === range.to) return subsetAnswer(item, fields, new Uint8Array());
    return {
      kind: 'derive',
      from: range.from,
      to: range.to,
      finish: (bytes) => subsetAnswer(item, fields, bytes),
    };
  }
  return octets(item, cut(range.from, range.to, item.partial));
}

function octets(
  item: SectionItem,
  range: { readonly from: number; readonly to: number },
): ItemAnswer {
  if (range.from === range.to) return inline(item, new Uint8Array());
  return { kind: 'octets', label: plainLabel(item), ...range };
}

const isWhole = ({ text, part }: Section): boolean => text === 'all' && part.length === 0;

const isUsualSubset = (section: Section): boolean =>
  section.text === 'header.fields' &&
  section.part.length === 0 &&
  section.fields.every((name) => usualFields.has(name.toLowerCase()));

function subsetAnswer(
  item: SectionItem,
  fields: NonNullable<SectionRange['fields']>,
  header: Uint8Array,
): ItemAnswer {
  const bytes = headerSubset(headerText(header), fields);
  const { from, to } = cut(0, bytes.length, item.partial);
  return inline(item, bytes.subarray(from, to));
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

/** Sections are always literals, whatever their length: some clients read nothing else. */
const inline = (item: SectionItem, bytes: Uint8Array | null): ItemAnswer => ({
  kind: 'inline',
  write: (enc) => {
    writeLabel(enc, item);
    enc.sp();
    if (bytes === null) enc.nil();
    else enc.literalHead(bytes.length).bytes(bytes);
  },
});

const originOf = (partial: Partial | null): string =>
  partial === null ? '' : `<${partial.offset}>`;

function plainLabel({ label, section, partial }: SectionItem): string {
  if (label !== 'BODY') return label;
  return `BODY[${sectionName(section)}]${originOf(partial)}`;
}

/** Part numbers and the text specifier, without field names. */
function sectionName({ part, text }: Section): string {
  return [...part.map(String), ...(text === 'all' ? [] : [text.toUpperCase()])].join('.');
}

function writeLabel(enc: Encoder, item: SectionItem): void {
  const { section, partial } = item;
  if (!('fields' in section)) {
    enc.raw(plainLabel(item));
    return;
  }
  enc.raw(`BODY[${sectionName(section)} `);
  enc.list(section.fields, (name) => enc.astring(name)).raw(`]${originOf(partial)}`);
}
