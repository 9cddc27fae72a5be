// The ESEARCH response (RFC 9051 §7.3.4, RFC 4731 §3.1, RFC 7162 §3.1.10).
import type { Encoder } from './encoder.ts';
import type { Ranges } from './ranges.ts';

export interface EsearchResult {
  readonly tag: string;
  /** The command was UID SEARCH: numbers are uids. */
  readonly uid: boolean;
  /** Absent members were not asked for, or have no value because nothing matched. */
  readonly min?: number;
  readonly max?: number;
  readonly count?: number;
  readonly all?: Ranges;
  readonly modSeq?: number;
}

/** Writes the whole untagged line. An empty `all` is left out, as the grammar has no empty set. */
export function writeEsearch(enc: Encoder, result: EsearchResult): void {
  enc.raw('* ESEARCH (TAG ').string(result.tag).raw(')');
  if (result.uid) enc.raw(' UID');
  if (result.min !== undefined) enc.raw(` MIN ${result.min}`);
  if (result.max !== undefined) enc.raw(` MAX ${result.max}`);
  if (result.count !== undefined) enc.raw(` COUNT ${result.count}`);
  if (result.all !== undefined && result.all.length > 0) enc.raw(' ALL ').numSet(result.all);
  if (result.modSeq !== undefined) enc.raw(` MODSEQ ${result.modSeq}`);
  enc.crlf();
}
