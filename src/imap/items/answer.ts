// What a FETCH item of content is answered with. Evaluation is pure: it says which octets of the original
// it needs; the caller opens, reads and streams them.
import type { MessageStructure } from '../../mime/part.ts';

/**
 * The deepest data that an item may need: nothing sealed, the metadata cell, the original and nothing beside
 * it, the original and the metadata that tells where its parts are.
 */
export type ItemNeed = 'none' | 'metadata' | 'octets' | 'body';

/** Ready: label and value, one character an octet. */
export interface TextAnswer {
  readonly kind: 'text';
  readonly text: string;
}

/** Ready: `label`, a space, and a literal of these octets, literal8 where they hold NUL (RFC 9051 §4.3). */
export interface BytesAnswer {
  readonly kind: 'bytes';
  readonly label: string;
  readonly bytes: Uint8Array;
}

/** `label`, a space, and a literal of the octets `[from, to)` of the original. Never empty. */
export interface OctetsAnswer {
  readonly kind: 'octets';
  readonly label: string;
  readonly from: number;
  readonly to: number;
}

/** Needs the octets `[from, to)` of the original first. */
export interface DerivedAnswer {
  readonly kind: 'derive';
  readonly from: number;
  readonly to: number;
  finish(bytes: Uint8Array): ItemAnswer;
}

export type ItemAnswer = TextAnswer | BytesAnswer | OctetsAnswer | DerivedAnswer;

/** What there is of a message without reading its body: see `RecordMetadata` of the archive. */
export interface ItemSource {
  /** Raw usual header lines (src/mime/usual-fields.ts), one character an octet. */
  readonly headerLines: string;
  readonly structure: MessageStructure;
}

/** An item made ready for many messages: what depends on the item alone is worked out once. */
export type Answerer = (source: ItemSource) => ItemAnswer;
