// Sets of positive numbers as sorted, disjoint, non-touching ranges: the algebra under sequence
// and uid sets. The cost of every operation follows the number of ranges, never their width.

/** From `low` to `high`, both in; `low <= high`. */
export interface NumRange {
  readonly low: number;
  readonly high: number;
}

/** Sorted by `low`, disjoint, with a gap between neighbours. */
export type Ranges = readonly NumRange[];

/** Sorts, swaps reversed ends, and merges what overlaps or touches. */
export function normaliseRanges(input: readonly NumRange[]): Ranges {
  const sorted = input
    .map(({ low, high }) => (low <= high ? { low, high } : { low: high, high: low }))
    .sort((a, b) => a.low - b.low);
  const out: { low: number; high: number }[] = [];
  for (const range of sorted) {
    const last = out.at(-1);
    if (last !== undefined && range.low <= last.high + 1) {
      if (range.high > last.high) last.high = range.high;
    } else {
      out.push(range);
    }
  }
  return out;
}

/** Ranges of an ascending list of distinct numbers; costs a few looks a range, not one a number. */
export function rangesOfSorted(numbers: ArrayLike<number>): Ranges {
  const out: NumRange[] = [];
  for (let at = 0; at < numbers.length;) {
    const end = runEnd(numbers, at);
    out.push({ low: numbers[at] ?? 0, high: numbers[end] ?? 0 });
    at = end + 1;
  }
  return out;
}

/** Index of the last number of the run without gaps that begins at `start`. */
function runEnd(numbers: ArrayLike<number>, start: number): number {
  const first = numbers[start] ?? 0;
  const joins = (at: number): boolean =>
    at < numbers.length && (numbers[at] ?? 0) - first === at - start;
  let good = start;
  let step = 1;
  for (; joins(good + step); step *= 2) good += step;
  for (; step >= 1; step /= 2) if (joins(good + step)) good += step;
  return good;
}

/** True if `n` lies in the set. */
export function rangesContain(ranges: Ranges, n: number): boolean {
  let from = 0;
  let to = ranges.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((ranges[middle]?.high ?? 0) < n) from = middle + 1;
    else to = middle;
  }
  const found = ranges[from];
  return found !== undefined && found.low <= n;
}

/** How many numbers the set holds. */
export function countRanges(ranges: Ranges): number {
  let count = 0;
  for (const { low, high } of ranges) count += high - low + 1;
  return count;
}

export function unionRanges(a: Ranges, b: Ranges): Ranges {
  return normaliseRanges([...a, ...b]);
}

export function intersectRanges(a: Ranges, b: Ranges): Ranges {
  const out: NumRange[] = [];
  let i = 0;
  let j = 0;
  for (;;) {
    const x = a[i];
    const y = b[j];
    if (x === undefined || y === undefined) return out;
    const low = Math.max(x.low, y.low);
    const high = Math.min(x.high, y.high);
    if (low <= high) out.push({ low, high });
    if (x.high < y.high) i += 1;
    else j += 1;
  }
}

/** What is in `a` and not in `b`. */
export function subtractRanges(a: Ranges, b: Ranges): Ranges {
  const out: NumRange[] = [];
  let j = 0;
  for (const { low, high } of a) {
    let at = low;
    while (j < b.length && (b[j]?.high ?? 0) < at) j += 1;
    for (let k = j; k < b.length; k += 1) {
      const cut = b[k];
      if (cut === undefined || cut.low > high) break;
      if (cut.low > at) out.push({ low: at, high: cut.low - 1 });
      at = cut.high + 1;
    }
    if (at <= high) out.push({ low: at, high });
  }
  return out;
}

/** Every number of the set, ascending. Only for sets that are known to be narrow. */
export function* numbersOf(ranges: Ranges): Generator<number> {
  for (const { low, high } of ranges) {
    for (let n = low; n <= high; n += 1) yield n;
  }
}

/** `1:3,7`; the empty set gives the empty string, which is not in the grammar. */
export function formatRanges(ranges: Ranges): string {
  return ranges.map(({ low, high }) => (low === high ? `${low}` : `${low}:${high}`)).join(',');
}

/** First index of the ascending `values` whose value is not below `wanted`. */
export function lowerBound(values: ArrayLike<number>, wanted: number): number {
  let from = 0;
  let to = values.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((values[middle] ?? 0) < wanted) from = middle + 1;
    else to = middle;
  }
  return from;
}

/**
 * Which indexes of the ascending `values` are in the set, as index ranges: `low` and `high` are
 * zero-based positions. Costs one binary search per range end.
 */
export function matchSorted(ranges: Ranges, values: ArrayLike<number>): Ranges {
  const out: NumRange[] = [];
  for (const { low, high } of ranges) {
    const first = lowerBound(values, low);
    const end = lowerBound(values, high + 1);
    if (end > first) out.push({ low: first, high: end - 1 });
  }
  return normaliseRanges(out);
}
