// The grammar `value *(";" attribute "=" value)` of Content-Type and Content-Disposition
// (RFC 2045 §5.1, RFC 2183), read as mailers write it: comments, missing quotes, stray semicolons.
// RFC 2231 sections are merged here; their charset is decoded by parameters.ts.
import type { Parameters } from './part.ts';

export interface ParameterisedValue {
  /** The text before the first semicolon, without comments, trimmed, as written. */
  readonly main: string;
  readonly params: Parameters;
}

/** Sections of one RFC 2231 parameter beyond this are ignored. */
const sectionsMax = 1_000;
const paramsMax = 1_000;

/** Parses an unfolded field value. Never throws; linear in its length. */
export function parseParameterised(value: string): ParameterisedValue {
  let end = skipToSemicolon(value, 0);
  let main = withoutComments(value.slice(0, end)).trim();
  // `text/plain charset=utf-8`: the semicolon is missing, the meaning is not.
  const gap = main.search(/\s/u);
  if (gap > 0) {
    if (main.includes('=', gap)) end = value.indexOf(main.slice(0, gap)) + gap - 1;
    main = main.slice(0, gap);
  }
  const raw: [string, string][] = [];
  let at = end + 1;
  while (at < value.length && raw.length < paramsMax) at = readParameter(value, at, raw);
  return { main, params: mergeSections(raw) };
}

function skipToSemicolon(value: string, from: number): number {
  let depth = 0;
  for (let i = from; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    if (code === 92) i += 1;
    else if (code === 40) depth += 1;
    else if (code === 41 && depth > 0) depth -= 1;
    else if (code === 59 && depth === 0) return i;
  }
  if (depth === 0) return value.length;
  // An unclosed comment must not swallow the parameters.
  const plain = value.indexOf(';', from);
  return plain < 0 ? value.length : plain;
}

/** Drops comments (RFC 5322 §3.2.2); an unclosed one is kept as text. */
export function withoutComments(text: string): string {
  if (!text.includes('(')) return text;
  let out = '';
  let depth = 0;
  let kept = 0;
  let opened = 0;
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code === 92) i += 1;
    else if (code === 40) {
      if (depth === 0) {
        out += text.slice(kept, i);
        opened = i;
      }
      depth += 1;
    } else if (code === 41 && depth > 0) {
      depth -= 1;
      if (depth === 0) kept = i + 1;
    }
  }
  return out + text.slice(depth > 0 ? opened : kept);
}

function readParameter(value: string, from: number, into: [string, string][]): number {
  const equals = value.indexOf('=', from);
  const semicolon = value.indexOf(';', from);
  if (equals < 0) return value.length;
  // The last semicolon, not the first: thousands of empty parameters must not be read one by one.
  if (semicolon >= 0 && semicolon < equals) return value.lastIndexOf(';', equals) + 1;
  const name = withoutComments(value.slice(from, equals)).trim().toLowerCase();
  let at = equals + 1;
  while (at < value.length && (value[at] === ' ' || value[at] === '\t')) at += 1;
  if (value[at] === '"') {
    const [text, next] = readQuoted(value, at + 1);
    if (name !== '') into.push([name, text]);
    const after = value.indexOf(';', next);
    return after < 0 ? value.length : after + 1;
  }
  const stop = semicolon < 0 ? value.length : semicolon;
  // Quotes that were escaped once too often are quotes.
  let text = value
    .slice(at, stop)
    .trim()
    .replace(/^\\"|\\"$/gu, '');
  // `us-ascii (plain text)` holds a comment; `name=report (1).pdf` does not.
  if (!name.startsWith('name') && !name.startsWith('filename')) text = withoutComments(text).trim();
  if (name !== '') into.push([name, text]);
  return stop + 1;
}

/** Reads a quoted string from after its first quote: its text, and the index after the last quote. */
export function readQuoted(value: string, from: number): [text: string, next: number] {
  let out = '';
  let kept = from;
  for (let i = from; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    if (code === 34) return [out + value.slice(kept, i), i + 1];
    if (code === 92 && i + 1 < value.length) {
      out += value.slice(kept, i);
      kept = i + 1;
      i += 1;
    }
  }
  return [out + value.slice(kept), value.length];
}

interface Section {
  readonly index: number;
  readonly extended: boolean;
  readonly value: string;
}

/** RFC 2231 §3: `name*0`, `name*1*` … become one `name` or, if any is extended, one `name*`. */
function mergeSections(raw: readonly [string, string][]): Parameters {
  if (!raw.some(([name]) => name.includes('*'))) return raw;
  const sections = new Map<string, Section[]>();
  const out: [string, string][] = [];
  for (const [name, value] of raw) {
    const match = /^([^*]+)\*(\d{1,5})(\*?)$/u.exec(name);
    const [, base, index, star] = match ?? [];
    if (base === undefined || index === undefined) {
      out.push([name, value]);
      continue;
    }
    let list = sections.get(base);
    if (list === undefined) {
      list = [];
      sections.set(base, list);
    }
    if (list.length < sectionsMax)
      list.push({ index: Number(index), extended: star === '*', value });
  }
  for (const [base, list] of sections) out.push(joinSections(base, list));
  return out;
}

function joinSections(base: string, list: Section[]): [string, string] {
  list.sort((a, b) => a.index - b.index);
  if (!list.some((section) => section.extended)) {
    return [base, list.map((section) => section.value).join('')];
  }
  const joined = list
    .map((section) => (section.extended ? section.value : percentEncode(section.value)))
    .join('');
  return [`${base}*`, list[0]?.extended === true ? joined : `''${joined}`];
}

const percentEncode = (text: string): string =>
  text.replace(
    /[^\w.-]/gu,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
