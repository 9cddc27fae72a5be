// An export of wraps (docs/formats/export.md): read strictly, because nothing in it is secret and all of it
// may have been changed on its way.
import { digest } from './hashes.ts';
import { Refused } from './refused.ts';

export interface CustodianKeyWrap {
  readonly key: string;
  readonly version: number;
  readonly generation: number;
  readonly wrap: Buffer;
}

export interface GroupKeyWrap {
  readonly group: number;
  readonly key: string;
  readonly version: number;
  readonly wrap: Buffer;
}

export interface ExportedBody {
  readonly content: string;
  readonly group: number;
  /** Octets of the message. */
  readonly size: number;
  readonly pack: string;
  /** Of the frame's first byte in the pack. */
  readonly offset: number;
  /** Of the sealed body. */
  readonly length: number;
  /** Of the frame (docs/formats/pack.md). */
  readonly digest: Buffer;
  readonly wrap: Buffer;
}

export interface ExportedRecord {
  readonly record: string;
  readonly content: string;
}

export interface ExportedCell {
  readonly record: string;
  readonly group: number;
  readonly cell: Buffer;
  readonly wrap: Buffer;
}

export interface ExportedPage {
  readonly page: string;
  readonly group: number;
  readonly bytes: Buffer;
  readonly wrap: Buffer;
}

export interface Export {
  readonly organisation: string;
  readonly custodian: string;
  readonly custodianKeys: readonly CustodianKeyWrap[];
  readonly groupKeys: readonly GroupKeyWrap[];
  readonly bodies: readonly ExportedBody[];
  readonly records: readonly ExportedRecord[];
  readonly cells: readonly ExportedCell[];
  readonly pages: readonly ExportedPage[];
}

type Read<T> = (value: unknown, place: string) => T;
type Shape<T> = { readonly [Name in keyof T]-?: Read<T[Name]> };

const refuse = (what: string): Refused => new Refused('export', 'format', what);

const uuidForm = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const isUuid = (value: unknown): value is string =>
  typeof value === 'string' && uuidForm.test(value);

const uuid: Read<string> = (value, place) => {
  if (!isUuid(value)) throw refuse(place);
  return value;
};

const count =
  (max: number): Read<number> =>
  (value, place) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > max) {
      throw refuse(place);
    }
    return value;
  };
const u32 = count(0xffff_ffff);
const u53 = count(Number.MAX_SAFE_INTEGER);

const hex: Read<Buffer> = (value, place) => {
  if (typeof value !== 'string' || !/^(?:[0-9a-f]{2})*$/.test(value)) throw refuse(place);
  return Buffer.from(value, 'hex');
};

/** An object with exactly the members of `shape`. */
const object =
  <T extends object>(shape: Shape<T>): Read<T> =>
  (value, place) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse(place);
    const names = Object.keys(shape) as (keyof T & string)[];
    if (Object.keys(value).length !== names.length) throw refuse(`members of ${place}`);
    const members = names.map((name) => {
      if (!Object.hasOwn(value, name)) throw refuse(`${place}.${name}`);
      return [name, shape[name]((value as Record<string, unknown>)[name], `${place}.${name}`)];
    });
    return Object.fromEntries(members) as T;
  };

const list =
  <T>(read: Read<T>): Read<readonly T[]> =>
  (value, place) => {
    if (!Array.isArray(value)) throw refuse(place);
    return value.map((item: unknown, i) => read(item, `${place}[${i}]`));
  };

const formatName = 'postseal/export/1';

const readExport = object<Export & { readonly format: string }>({
  format: (value, place) => {
    if (value !== formatName) throw refuse(place);
    return formatName;
  },
  organisation: uuid,
  custodian: uuid,
  custodianKeys: list(object({ key: uuid, version: u32, generation: u32, wrap: hex })),
  groupKeys: list(object({ group: u53, key: uuid, version: u32, wrap: hex })),
  bodies: list(
    object({
      content: uuid,
      group: u53,
      size: u53,
      pack: uuid,
      offset: u53,
      length: u53,
      digest: hex,
      wrap: hex,
    }),
  ),
  records: list(object({ record: uuid, content: uuid })),
  cells: list(object({ record: uuid, group: u53, cell: hex, wrap: hex })),
  pages: list(object({ page: uuid, group: u53, bytes: hex, wrap: hex })),
});

function parse(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    // Not UTF-8 or not JSON: which of them does not matter to the reader.
    throw refuse(what);
  }
}

/** @throws Refused `format` or `tag`. */
export function decodeExport(file: Buffer): Export {
  const end = file.indexOf(0x0a);
  const first = file.subarray(0, Math.max(end, 0));
  const second = file.subarray(end + 1);
  const closing = `{"sha256":"${digest(first).toString('hex')}"}\n`;
  if (end < 0 || second.length !== closing.length) throw refuse('two lines');
  if (!second.equals(Buffer.from(closing))) throw new Refused('export', 'tag', 'digest of line 1');
  return readExport(parse(first, 'JSON of line 1'), 'line 1');
}
