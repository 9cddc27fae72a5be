// What a SEARCH asks for (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 5032, RFC 7162 §3.1.5), as data.
import type { NumSet } from './num-set.ts';

/** A civil date as days since 1970-01-01: search dates have neither time nor zone. */
export type CivilDay = number;

export type SearchKey =
  | { readonly kind: 'all' }
  | { readonly kind: 'set'; readonly set: NumSet }
  /** A system flag with its backslash, or a keyword; `present` false for the UN… keys. */
  | { readonly kind: 'flag'; readonly flag: string; readonly present: boolean }
  /** `\Recent` of this session; NEW is `recent` and not `\Seen`. */
  | { readonly kind: 'recent'; readonly present: boolean }
  /** BCC, CC, FROM, SUBJECT, TO and HEADER; an empty value asks only that the field exists. */
  | { readonly kind: 'header'; readonly field: string; readonly value: string }
  | { readonly kind: 'body'; readonly value: string }
  | { readonly kind: 'text'; readonly value: string }
  /** BEFORE, ON, SINCE: by INTERNALDATE. */
  | {
      readonly kind: 'internaldate';
      readonly is: 'before' | 'on' | 'since';
      readonly day: CivilDay;
    }
  /** SENTBEFORE, SENTON, SENTSINCE: by the `Date:` header. */
  | { readonly kind: 'sentdate'; readonly is: 'before' | 'on' | 'since'; readonly day: CivilDay }
  | { readonly kind: 'size'; readonly is: 'larger' | 'smaller'; readonly octets: number }
  /** OLDER and YOUNGER: INTERNALDATE against now. */
  | { readonly kind: 'within'; readonly is: 'older' | 'younger'; readonly seconds: number }
  /** MODSEQ: at least this; the entry name and type are read and mean nothing here. */
  | { readonly kind: 'modseq'; readonly atLeast: number }
  | { readonly kind: 'not'; readonly key: SearchKey }
  | { readonly kind: 'or'; readonly left: SearchKey; readonly right: SearchKey }
  | { readonly kind: 'and'; readonly keys: readonly SearchKey[] };

export interface SearchReturn {
  readonly min: boolean;
  readonly max: boolean;
  readonly all: boolean;
  readonly count: boolean;
  readonly save: boolean;
}

export interface SearchCommand {
  /** Null: no RETURN, answer with untagged SEARCH in rev1. `RETURN ()` reads as ALL. */
  readonly returns: SearchReturn | null;
  readonly key: SearchKey;
  /** A MODSEQ key stands somewhere: the answer carries MODSEQ and CONDSTORE is switched on. */
  readonly usesModSeq: boolean;
}
