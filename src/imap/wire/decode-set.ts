// sequence-set and uid sets (RFC 9051 §9), `$` (RFC 5182 §2.1).
import type { Decoder } from './decoder.ts';
import { type NumSet, star } from './num-set.ts';
import type { NumRange } from './ranges.ts';

/** Ranges in one set; a full 64 KiB line cannot hold more than half of it anyway. */
const rangesMax = 65_536;

/** Reads a set; `uid` says which numbers it means, by the command that it stands in. */
export function expectNumSet(dec: Decoder, uid: boolean): NumSet {
  if (dec.special('$')) return { kind: 'saved' };
  return { kind: uid ? 'uid' : 'seq', written: expectRanges(dec) };
}

/** True if a set may begin with this byte. */
export function startsNumSet(byte: number): boolean {
  return byte === 0x2a || byte === 0x24 || (byte >= 0x30 && byte <= 0x39);
}

/** One or more ranges by commas. */
export function expectRanges(dec: Decoder): NumRange[] {
  const out: NumRange[] = [];
  do {
    const low = expectSeqNumber(dec);
    const high = dec.special(':') ? expectSeqNumber(dec) : low;
    out.push({ low, high });
    if (out.length > rangesMax) throw dec.fail('too many ranges');
  } while (dec.special(','));
  return out;
}

function expectSeqNumber(dec: Decoder): number {
  return dec.special('*') ? star : dec.expectNzNumber('expected a message number');
}
