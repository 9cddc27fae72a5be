// Sequence sets and uid sets (RFC 9051 §9 `sequence-set`, §6.4.4.1 `$`). The two are different types,
// so that a number of one kind is never looked up as the other. `*` stays open until the
// mailbox is known: it is the largest number in use, in either end of a range.
import { type NumRange, type Ranges, normaliseRanges } from './ranges.ts';

/** Stands for `*`, above every number. */
export const star = Number.POSITIVE_INFINITY;

/** As written: ends in any order, either may be `star`. Not merged before `*` is known. */
export interface SeqSet {
  readonly kind: 'seq';
  readonly written: readonly NumRange[];
}
/** As written: ends in any order, either may be `star`. */
export interface UidSet {
  readonly kind: 'uid';
  readonly written: readonly NumRange[];
}
/** `$`: the result that a SEARCH with SAVE left in this session (RFC 5182). */
export interface SavedSet {
  readonly kind: 'saved';
}
export type NumSet = SeqSet | UidSet | SavedSet;

/**
 * Ranges of the set where `largest` is the number that `*` stands for: the message count, or the
 * largest uid. In an empty mailbox (`largest` 0) a lone `*` is nothing. `9:*` holds `largest` even
 * if that is 3 (RFC 9051 §9).
 */
export function resolveSet(set: SeqSet | UidSet, largest: number): Ranges {
  const end = (n: number): number => (n === star ? largest : n);
  const out = set.written
    .map(({ low, high }) => ({ low: end(low), high: end(high) }))
    .filter(({ low, high }) => low > 0 && high > 0);
  return normaliseRanges(out);
}

/** A uid set of finished ranges. */
export function uidSetOf(ranges: Ranges): UidSet {
  return { kind: 'uid', written: ranges };
}

/** A sequence set of finished ranges. */
export function seqSetOf(ranges: Ranges): SeqSet {
  return { kind: 'seq', written: ranges };
}

/** Text of a set as it came, `*` included. */
export function formatSet(set: NumSet): string {
  if (set.kind === 'saved') return '$';
  const end = (n: number): string => (n === star ? '*' : `${n}`);
  return set.written
    .map(({ low, high }) => (low === high ? end(low) : `${end(low)}:${end(high)}`))
    .join(',');
}
