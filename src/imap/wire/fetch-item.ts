// What a FETCH asks for (RFC 9051 §6.4.5, RFC 3501 §6.4.5, RFC 7162 §3.1.4, RFC 3516), as data.

/** The `<origin.count>` of a partial fetch, in octets; `count` is at least 1. */
export interface Partial {
  readonly offset: number;
  readonly count: number;
}

/**
 * Inside of `BODY[…]`. `part` is the list of part numbers, empty for the whole message;
 * `fields` are header names as the client wrote them, for the two field kinds only.
 */
export type Section =
  | { readonly part: readonly number[]; readonly text: 'all' | 'header' | 'text' | 'mime' }
  | {
      readonly part: readonly number[];
      readonly text: 'header.fields' | 'header.fields.not';
      readonly fields: readonly string[];
    };

export type FetchItem =
  | { readonly kind: 'flags' }
  | { readonly kind: 'uid' }
  | { readonly kind: 'modseq' }
  | { readonly kind: 'internaldate' }
  | { readonly kind: 'rfc822.size' }
  | { readonly kind: 'envelope' }
  /** `extensible` false: the non-extensible form that `BODY` without a section asks for. */
  | { readonly kind: 'bodystructure'; readonly extensible: boolean }
  /** `label` is what the response must call the item: obsolete names answer under their own. */
  | {
      readonly kind: 'section';
      readonly label: 'BODY' | 'RFC822' | 'RFC822.HEADER' | 'RFC822.TEXT';
      readonly section: Section;
      readonly partial: Partial | null;
      /** True: `\Seen` stays as it is. */
      readonly peek: boolean;
    }
  | {
      readonly kind: 'binary';
      readonly part: readonly number[];
      readonly partial: Partial | null;
      readonly peek: boolean;
    }
  | { readonly kind: 'binary.size'; readonly part: readonly number[] };

export interface FetchModifiers {
  /** CHANGEDSINCE (RFC 7162 §3.1.4.1); 0 is taken too, because iOS sends it. Null: absent. */
  readonly changedSince: number | null;
  /** VANISHED (RFC 7162 §3.2.6). */
  readonly vanished: boolean;
}
