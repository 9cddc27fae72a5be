// Header fields as search sees them: decoded (RFC 2047), unfolded, ready for comparison. Each header is
// read once, however many keys ask.
import { decodeHeaderText } from '../../mime/encoded-word.ts';
import { fieldValue, headerFields, headerText } from '../../mime/header.ts';
import { parseDate } from '../../mime/date.ts';
import { rawParameter } from '../../mime/parameters.ts';
import { mimeLimitsDefault } from '../../mime/parser.ts';
import type { MessageStructure } from '../../mime/part.ts';
import type { SearchedMetadata } from './searched-message.ts';
import { foldHeader } from './fold.ts';

interface FoldedField {
  /** Lower case. */
  readonly name: string;
  /** Latin1, unfolded. */
  readonly raw: string;
  /** Name and decoded value, as TEXT compares them. */
  readonly folded: string;
  /** The decoded value alone. */
  readonly value: string;
}

export class HeaderHaystack {
  readonly #fields: readonly FoldedField[];

  /** `header` is latin1. */
  constructor(header: string, structure: MessageStructure) {
    const charset = rawParameter(structure.root.params, 'charset');
    this.#fields = headerFields(header).map((field) => {
      const raw = fieldValue(header, field);
      const value = foldHeader(decodeHeaderText(raw, charset));
      return { name: field.lowerName, raw, value, folded: `${foldHeader(field.name)}: ${value}` };
    });
  }

  /** Octets of memory that its texts take, at most. */
  get bytes(): number {
    const characters = (field: FoldedField): number =>
      field.name.length + field.raw.length + field.folded.length + field.value.length;
    return this.#fields.reduce((sum, field) => sum + 2 * characters(field), 0);
  }

  /** True if a field `name` (lower case) holds the folded needle; the empty one asks for the field. */
  has(name: string, needle: string): boolean {
    return this.#fields.some((field) => field.name === name && field.value.includes(needle));
  }

  /** True if any line holds the folded needle. */
  hasAnywhere(needle: string): boolean {
    return this.#fields.some(({ folded }) => folded.includes(needle));
  }

  /** Day of the first `Date:` as its sender wrote it; null if there is none that can be read. */
  get sentDay(): number | null {
    const date = this.#fields.find(({ name }) => name === 'date');
    return date === undefined ? null : (parseDate(date.raw)?.day ?? null);
  }
}

const ofMetadata = new WeakMap<SearchedMetadata, HeaderHaystack>();
const ofBody = new WeakMap<Uint8Array, HeaderHaystack>();

/** The usual fields, from the metadata cell. */
export function usualHaystack(metadata: SearchedMetadata): HeaderHaystack {
  let found = ofMetadata.get(metadata);
  if (found === undefined) {
    found = new HeaderHaystack(metadata.headerLines, metadata.structure);
    ofMetadata.set(metadata, found);
  }
  return found;
}

/** All fields, from the original. */
export function fullHaystack(body: Uint8Array, structure: MessageStructure): HeaderHaystack {
  let found = ofBody.get(body);
  if (found === undefined) {
    const header = headerText(body.subarray(0, structure.root.bodyStart));
    found = new HeaderHaystack(header, structure);
    ofBody.set(body, found);
  }
  return found;
}

/** Octets of memory that `fullHaystack` has cost for `body`, at most. */
export const fullHaystackBytes = (body: Uint8Array): number => ofBody.get(body)?.bytes ?? 0;

/** False if the header was over the parser's limit, so that the cell may lack fields. */
export const cellIsComplete = ({ structure }: SearchedMetadata): boolean =>
  structure.root.bodyStart <= mimeLimitsDefault.headerBytes;
