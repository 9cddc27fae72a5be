// A record between sealing and commit. The record part's input is this object, and a conflict changes
// it in place: where its content was, and under which wrap, is decided again.
import type { ContentId, CustodianId, RecordId, RecordNo } from '../kernel/ids.ts';
import { recordsPerGroup } from '../kernel/limits.ts';
import type { PackRef } from '../vault/packs/body-store.ts';
import type { MessageRecipe } from './message-recipe.ts';
import type { RecordSource } from './types.ts';

/** A part that a recipe needs. */
export interface PartOfBody {
  readonly contentId: ContentId;
  readonly tag: Buffer;
}

/** Sealed bytes of this process that wait for their content row. */
export interface SealedBody {
  readonly contentId: ContentId;
  readonly place: PackRef;
  /** 32 bytes; zeroed when no draft needs it any more. */
  readonly dek: Uint8Array;
  /** True if it has a pack file of its own. */
  readonly large: boolean;
  /** Parts of a recipe, each once; none of a body that is stored whole. */
  readonly parts: readonly PartOfBody[];
  /** Drafts that may still commit with it. */
  readonly holders: Set<object>;
  /** Set when a row for it was committed: from then on only an existing row counts. */
  stored: boolean;
  /** Deletes the file of a large one that was never stored. */
  discard(): Promise<void>;
}

/** How the custodian comes to a key of the content. */
export type Holding =
  /** A new wrap for this custodian. */
  | { readonly kind: 'wrap'; readonly wrap: Uint8Array }
  /** The custodian has one; it must still be there at the commit. */
  | { readonly kind: 'own' };

export interface ChosenContent {
  readonly contentId: ContentId;
  /** Sealed by this process and perhaps not stored yet; undefined for a known content. */
  readonly sealed: SealedBody | undefined;
  readonly holding: Holding;
  /** What a recipe needs and the custodian has to hold with a new wrap of it. */
  readonly parts: readonly ChosenPart[];
}

/** A part, chosen like a content. */
export interface ChosenPart {
  readonly contentId: ContentId;
  readonly sealed: SealedBody | undefined;
  readonly holding: Holding;
  readonly tag: Buffer;
  /** Octets. */
  readonly size: number;
}

export interface RecordDraft {
  readonly custodian: CustodianId;
  readonly recordId: RecordId;
  readonly recordNo: RecordNo;
  readonly size: number;
  readonly source: RecordSource;
  /** What the record's event says of its bytes. */
  readonly commitment: string;
  readonly tag: Buffer;
  readonly tagVersion: number;
  readonly cell: Uint8Array;
  readonly cellWrap: Uint8Array;
  /** Stands for this draft among the holders of a sealed body. */
  readonly holder: object;
  /** Seals the original (again), or gives the sealed file of a large one. */
  readonly seal: () => SealedBody;
  readonly recipe: () => MessageRecipe | undefined;
  /** The sealed file of a large original, kept until it is known that nobody needs it. */
  readonly spare: SealedBody | undefined;
  content: ChosenContent;
}

/** Group of a record: 4,096 consecutive numbers share a group key. */
export const groupOf = (recordNo: RecordNo): number => Math.floor(recordNo / recordsPerGroup);
