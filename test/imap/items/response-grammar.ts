// A strict reader of `envelope` and `body` (RFC 9051 §9), written from the grammar alone.

export type Value = null | number | string | readonly Value[];

export interface PartNote {
  readonly numbers: readonly number[];
  readonly octets: number;
  readonly isMessage: boolean;
}

/** Reads one value: NIL, number, string, literal, or list; elements may stand without a space. */
export function readValue(text: string): Value {
  const reader = new Reader(text);
  const value = reader.value();
  if (!reader.atEnd) throw new Error(`left over: ${text.slice(0, 40)}`);
  return value;
}

class Reader {
  readonly #text: string;
  #at = 0;
  constructor(text: string) {
    this.#text = text;
  }
  get atEnd(): boolean {
    return this.#at === this.#text.length;
  }
  value(): Value {
    if (this.#text[this.#at] === '(') return this.#list();
    const rest = this.#text.slice(this.#at, this.#at + 1_100);
    const quoted = /^"((?:[^"\\\r\n\0\x80-\xff]|\\["\\])*)"/u.exec(rest);
    if (quoted !== null) return this.#take(quoted[0], (quoted[1] ?? '').replace(/\\(.)/gu, '$1'));
    const literal = /^\{(\d+)\}\r\n/u.exec(rest);
    if (literal !== null) {
      this.#at += literal[0].length;
      const content = this.#text.slice(this.#at, this.#at + Number(literal[1]));
      if (content.length !== Number(literal[1]) || content.includes('\0'))
        throw new Error('literal');
      return this.#take(content, content);
    }
    const number = /^\d+/u.exec(rest);
    if (number !== null) return this.#take(number[0], Number(number[0]));
    if (rest.startsWith('NIL')) return this.#take('NIL', null);
    throw new Error(`unexpected: ${rest.slice(0, 40)}`);
  }
  #list(): Value {
    const values: Value[] = [];
    this.#at += 1;
    while (this.#text[this.#at] !== ')') {
      if (values.length > 0 && this.#text[this.#at] === ' ') this.#at += 1;
      values.push(this.value());
    }
    this.#at += 1;
    if (values.length === 0) throw new Error('empty list');
    return values;
  }
  #take<T>(text: string, value: T): T {
    this.#at += text.length;
    return value;
  }
}

const list = (value: Value | undefined): readonly Value[] => {
  if (!Array.isArray(value)) throw new Error(`expected a list, not ${JSON.stringify(value)}`);
  return value as readonly Value[];
};
const string = (value: Value | undefined): string => {
  if (typeof value !== 'string') throw new Error(`expected a string, not ${JSON.stringify(value)}`);
  return value;
};
const number = (value: Value | undefined): number => {
  if (typeof value !== 'number') throw new Error(`expected a number, not ${JSON.stringify(value)}`);
  return value;
};
const nstring = (value: Value | undefined): void => {
  if (value !== null) string(value);
};
const parameters = (value: Value | undefined): void => {
  if (value === null) return;
  const pairs = list(value);
  if (pairs.length % 2 !== 0) throw new Error('odd parameters');
  pairs.forEach(string);
};

/** Checks an envelope. */
export function checkEnvelope(value: Value): void {
  const fields = list(value);
  if (fields.length !== 10) throw new Error('envelope fields');
  for (const i of [0, 1, 8, 9]) nstring(fields[i]);
  for (const addresses of fields.slice(2, 8)) {
    if (addresses === null) continue;
    for (const address of list(addresses)) {
      if (list(address).length !== 4) throw new Error('address');
      list(address).forEach(nstring);
    }
  }
}

/** Checks a body and notes its parts with the numbers by which they are fetched. */
export function checkBody(value: Value, extensible: boolean): PartNote[] {
  const notes: PartNote[] = [];
  message(value, [], extensible, notes);
  return notes;
}

function message(value: Value, numbers: readonly number[], ext: boolean, notes: PartNote[]): void {
  if (Array.isArray(list(value)[0])) part(value, numbers, ext, notes);
  else part(value, [...numbers, 1], ext, notes);
}

function part(value: Value, numbers: readonly number[], ext: boolean, notes: PartNote[]): void {
  const fields = list(value);
  if (Array.isArray(fields[0])) {
    const count = fields.findIndex((field) => !Array.isArray(field));
    fields.slice(0, count).forEach((child, i) => part(child, [...numbers, i + 1], ext, notes));
    string(fields[count]);
    const rest = fields.slice(count + 1);
    if (rest.length !== (ext ? 4 : 0)) throw new Error('multipart extension');
    if (ext) {
      parameters(rest[0]);
      extension(rest.slice(1));
    }
    return;
  }
  const [type, subtype] = [string(fields[0]), string(fields[1])];
  parameters(fields[2]);
  nstring(fields[3]);
  nstring(fields[4]);
  if (string(fields[5]) === '') throw new Error('encoding');
  const octets = number(fields[6]);
  const isMessage = type === 'message' && (subtype === 'rfc822' || subtype === 'global');
  let at = 7;
  if (isMessage) {
    checkEnvelope(fields[7] ?? null);
    message(fields[8] ?? null, numbers, ext, notes);
    number(fields[9]);
    at = 10;
  } else if (type === 'text') {
    number(fields[7]);
    at = 8;
  }
  const rest = fields.slice(at);
  if (rest.length !== (ext ? 4 : 0)) throw new Error('extension');
  if (ext) {
    nstring(rest[0]);
    extension(rest.slice(1));
  }
  notes.push({ numbers, octets, isMessage });
}

function extension([disposition, language, location]: readonly Value[]): void {
  if (disposition !== null) {
    if (list(disposition).length !== 2) throw new Error('disposition');
    string(list(disposition)[0]);
    parameters(list(disposition)[1]);
  }
  if (Array.isArray(language)) language.forEach(string);
  else nstring(language);
  nstring(location);
}
