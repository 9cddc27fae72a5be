// A message as a search sees it: what is known now. What is absent may come later (facts, metadata,
// then the whole original); a key that needs it stays undecided until then.
import type { UnixMs } from '../../kernel/time.ts';
import type { ModSeq, Uid } from '../../kernel/ids.ts';
import type { MessageStructure } from '../../mime/part.ts';
import type { NumSet } from '../wire/num-set.ts';

export interface SearchedMetadata {
  /** Raw usual header lines (src/mime/usual-fields.ts), one character an octet. */
  readonly headerLines: string;
  readonly structure: MessageStructure;
}

export interface SearchedMessage {
  readonly uid: Uid;
  readonly modSeq: ModSeq;
  readonly recent: boolean;
  readonly now: UnixMs;
  /** System flag with its backslash, or keyword; in any case. */
  hasFlag(flag: string): boolean;
  inSet(set: NumSet): boolean;
  readonly facts?: { readonly size: number; readonly internalDate: UnixMs };
  readonly metadata?: SearchedMetadata;
  /** The whole original; only together with `metadata`. */
  readonly body?: Uint8Array;
}
