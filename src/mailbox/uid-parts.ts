// Cuts a long list of uids into parts that one ledger event can name: at most 10,000 uids and a set
// text that fits the event's bytes (docs/formats/leaf.md). Pure.
import { uidsPerEventMax } from '../kernel/limits.ts';
import { formatRanges, rangesOfSorted } from '../imap/wire/ranges.ts';
import type { Uid } from '../kernel/ids.ts';

export interface UidPart {
  /** Ascending. */
  readonly uids: readonly Uid[];
  /** `1:3,7` */
  readonly text: string;
}

/** The event's other fields need the rest of its 16 KiB. */
const textBytesMax = 12_000;
/** `,4294967295:4294967295` */
const rangeBytesMax = 22;

/** Sorts, drops doubles, and cuts. No uids give no part. */
export function uidParts(uids: Iterable<Uid>): UidPart[] {
  const sorted = Uint32Array.from(new Set(uids)).sort();
  const parts: UidPart[] = [];
  let from = 0;
  let bytes = 0;
  const close = (to: number) => {
    if (to === from) return;
    const part = Array.from(sorted.subarray(from, to)) as Uid[];
    parts.push({ uids: part, text: formatRanges(rangesOfSorted(part)) });
    from = to;
    bytes = 0;
  };
  for (let i = 0; i < sorted.length; i += 1) {
    if (i === from || sorted[i] !== (sorted[i - 1] ?? 0) + 1) bytes += rangeBytesMax;
    if (bytes > textBytesMax || i - from >= uidsPerEventMax) {
      close(i);
      bytes = rangeBytesMax;
    }
  }
  close(sorted.length);
  return parts;
}
