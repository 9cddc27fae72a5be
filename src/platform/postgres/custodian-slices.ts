// Tables that are partitioned by custodian are read for a few custodians at a time, whose ids stand in the
// statement as parameters of their own: PostgreSQL then opens their partitions only. A join with UNNEST
// alone opens all 32 of every table, which cost more than the reading (docs/performance.md).

/** Custodians of one statement: a batch of a busy process mostly fits, and one custodian costs no more. */
export const sliceWidth = 16;

/** `column = ANY (…)` over the parameters $first to $(first + sliceWidth - 1). */
export function ofSlice(column: string, first: number): string {
  const parameters = Array.from({ length: sliceWidth }, (_, i) => `$${first + i}::uuid`);
  return `${column} = ANY (ARRAY[${parameters.join(', ')}])`;
}

export interface Slice<T> {
  readonly items: readonly T[];
  /** Places of the items in the whole list. */
  readonly places: readonly number[];
  /** As many ids as `sliceWidth`; the last one fills up. */
  readonly custodians: readonly string[];
}

/** Cuts a list so that each slice names at most `sliceWidth` custodians. */
export function slicesOf<T>(items: readonly T[], custodianOf: (item: T) => string): Slice<T>[] {
  const slices: { items: T[]; places: number[]; custodians: Set<string> }[] = [];
  const sliceOf = new Map<string, (typeof slices)[number]>();
  for (const [place, item] of items.entries()) {
    const custodian = custodianOf(item);
    let slice = sliceOf.get(custodian) ?? slices.at(-1);
    if (
      slice === undefined ||
      (slice.custodians.size === sliceWidth && !slice.custodians.has(custodian))
    ) {
      slice = { items: [], places: [], custodians: new Set() };
      slices.push(slice);
    }
    sliceOf.set(custodian, slice);
    slice.custodians.add(custodian);
    slice.items.push(item);
    slice.places.push(place);
  }
  return slices.map(({ items: some, places, custodians }) => ({
    items: some,
    places,
    custodians: filled([...custodians]),
  }));
}

function filled(custodians: readonly string[]): string[] {
  return Array.from({ length: sliceWidth }, (_, i) => custodians[i] ?? custodians.at(-1) ?? '');
}
