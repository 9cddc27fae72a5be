// Arguments of FETCH (RFC 9051 §6.4.5, RFC 3501 §6.4.5; RFC 7162 §3.1.4, §3.2.6; RFC 3516 §4.2).
import type { Decoder } from './decoder.ts';
import { latin1 } from './decoder.ts';
import type { FetchItem, FetchModifiers, Partial, Section } from './fetch-item.ts';

export interface FetchArguments {
  readonly items: readonly FetchItem[];
  readonly modifiers: FetchModifiers;
}

/** Items in one FETCH, numbers in one part path, names in one field list. */
const itemsMax = 256;
const partDepthMax = 64;
const fieldsMax = 256;

const section = (
  label: 'BODY' | 'RFC822' | 'RFC822.HEADER' | 'RFC822.TEXT',
  text: 'all' | 'header' | 'text',
  peek: boolean,
): FetchItem => ({ kind: 'section', label, section: { part: [], text }, partial: null, peek });

const flags: FetchItem = { kind: 'flags' };
const internalDate: FetchItem = { kind: 'internaldate' };
const size: FetchItem = { kind: 'rfc822.size' };
const envelope: FetchItem = { kind: 'envelope' };
const plainBody: FetchItem = { kind: 'bodystructure', extensible: false };

/** Names without an argument. RFC822.PEEK is of RFC 1730, and Outlook still sends it. */
const plain: ReadonlyMap<string, FetchItem> = new Map<string, FetchItem>([
  ['FLAGS', flags],
  ['UID', { kind: 'uid' }],
  ['MODSEQ', { kind: 'modseq' }],
  ['INTERNALDATE', internalDate],
  ['RFC822.SIZE', size],
  ['ENVELOPE', envelope],
  ['BODYSTRUCTURE', { kind: 'bodystructure', extensible: true }],
  ['BODY', plainBody],
  ['RFC822', section('RFC822', 'all', false)],
  ['RFC822.PEEK', section('RFC822', 'all', true)],
  ['RFC822.HEADER', section('RFC822.HEADER', 'header', true)],
  ['RFC822.TEXT', section('RFC822.TEXT', 'text', false)],
  ['RFC822.TEXT.PEEK', section('RFC822.TEXT', 'text', true)],
]);

/** Macros stand alone or, leniently, in a list. */
const macros: ReadonlyMap<string, readonly FetchItem[]> = new Map([
  ['ALL', [flags, internalDate, size, envelope]],
  ['FAST', [flags, internalDate, size]],
  ['FULL', [flags, internalDate, size, envelope, plainBody]],
]);

type Reader = (dec: Decoder) => FetchItem;

/** Names that go on with a bracket. */
const bracketed: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['BODY', (dec) => expectSectionItem(dec, false)],
  ['BODY.PEEK', (dec) => expectSectionItem(dec, true)],
  ['BINARY', (dec) => expectBinary(dec, false)],
  ['BINARY.PEEK', (dec) => expectBinary(dec, true)],
  ['BINARY.SIZE', (dec) => ({ kind: 'binary.size', part: expectBinaryPart(dec) })],
]);

/** Everything after the message set and its space. */
export function expectFetchArguments(dec: Decoder): FetchArguments {
  const listed = dec.list(() => expectItem(dec));
  const items = (listed ?? [expectItem(dec)]).flat();
  if (items.length === 0) throw dec.fail('expected a fetch item');
  if (items.length > itemsMax) throw dec.fail('too many fetch items');
  const modifiers = dec.sp() ? expectModifiers(dec) : { changedSince: null, vanished: false };
  return { items: withoutDoubles(items), modifiers };
}

function expectItem(dec: Decoder): readonly FetchItem[] {
  const name = dec.run(isItemNameByte)?.toUpperCase();
  if (name === undefined) throw dec.fail('expected a fetch item');
  const reader = dec.peek() === 0x5b ? bracketed.get(name) : undefined;
  if (reader !== undefined) return [reader(dec)];
  const item = plain.get(name);
  const found = item === undefined ? macros.get(name) : [item];
  if (found === undefined) throw dec.fail('unknown fetch item');
  return found;
}

function isItemNameByte(byte: number): boolean {
  const letter = byte | 0x20;
  return (letter >= 0x61 && letter <= 0x7a) || (byte >= 0x30 && byte <= 0x39) || byte === 0x2e;
}

function expectSectionItem(dec: Decoder, peek: boolean): FetchItem {
  dec.expectSpecial('[');
  const read = expectSection(dec);
  dec.expectSpecial(']');
  return { kind: 'section', label: 'BODY', section: read, partial: partial(dec), peek };
}

/** section-spec, which may be empty. */
function expectSection(dec: Decoder): Section {
  const part: number[] = [];
  let number = dec.number();
  while (number !== null) {
    part.push(checkedPart(dec, number, part.length));
    if (!dec.special('.')) return { part, text: 'all' };
    number = dec.number();
  }
  const name = dec.run(isItemNameByte)?.toUpperCase();
  switch (name) {
    case undefined:
      if (part.length > 0) throw dec.fail('expected a section');
      return { part, text: 'all' };
    case 'HEADER':
      return { part, text: 'header' };
    case 'TEXT':
      return { part, text: 'text' };
    case 'MIME':
      if (part.length === 0) throw dec.fail('MIME needs a part number');
      return { part, text: 'mime' };
    case 'HEADER.FIELDS':
      return { part, text: 'header.fields', fields: expectFieldNames(dec) };
    case 'HEADER.FIELDS.NOT':
      return { part, text: 'header.fields.not', fields: expectFieldNames(dec) };
    default:
      throw dec.fail('unknown section');
  }
}

function expectFieldNames(dec: Decoder): string[] {
  dec.expectSp();
  const names = dec.expectList(() => expectFieldName(dec), 'expected field names');
  if (names.length === 0 || names.length > fieldsMax) throw dec.fail('expected field names');
  return names;
}

/** RFC 5322 §2.2: printable, no colon. Anything else would break the response that echoes it. */
function expectFieldName(dec: Decoder): string {
  const name = latin1(dec.expectAstring('expected a field name'));
  if (!/^[\x21-\x39\x3b-\x7e]{1,255}$/.test(name)) throw dec.fail('not a field name');
  return name;
}

function expectBinary(dec: Decoder, peek: boolean): FetchItem {
  const part = expectBinaryPart(dec);
  return { kind: 'binary', part, partial: partial(dec), peek };
}

function expectBinaryPart(dec: Decoder): number[] {
  dec.expectSpecial('[');
  const part: number[] = [];
  if (dec.special(']')) return part;
  do {
    part.push(checkedPart(dec, dec.expectNumber('expected a part number'), part.length));
  } while (dec.special('.'));
  dec.expectSpecial(']');
  return part;
}

function checkedPart(dec: Decoder, number: number, depth: number): number {
  if (number === 0) throw dec.fail('expected a part number above zero');
  if (depth >= partDepthMax) throw dec.fail('the part path is too deep');
  return number;
}

/** `<0.2048>`; the count is above zero. */
function partial(dec: Decoder): Partial | null {
  if (!dec.special('<')) return null;
  const offset = dec.expectNumber64();
  dec.expectSpecial('.');
  const count = dec.expectNumber64();
  dec.expectSpecial('>');
  if (count === 0) throw dec.fail('expected a count above zero');
  return { offset, count };
}

function expectModifiers(dec: Decoder): FetchModifiers {
  let changedSince: number | null = null;
  let vanished = false;
  dec.expectList(() => {
    const name = dec.expectKeyword('expected a fetch modifier');
    if (name === 'CHANGEDSINCE') {
      dec.expectSp();
      changedSince = dec.expectNumber64('expected a mod-sequence');
    } else if (name === 'VANISHED') {
      vanished = true;
    } else {
      throw dec.fail('unknown fetch modifier');
    }
  });
  return { changedSince, vanished };
}

function withoutDoubles(items: readonly FetchItem[]): FetchItem[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const text = JSON.stringify(item);
    if (seen.has(text)) return false;
    seen.add(text);
    return true;
  });
}
