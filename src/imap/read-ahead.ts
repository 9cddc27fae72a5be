// Begins the next piece of work while the present one is used, one ahead and no more.

/** Yields what `next` gives until it gives null; a failure of the one ahead shows when it is its turn. */
export async function* oneAhead<T>(
  next: () => Promise<T | null>,
): AsyncGenerator<T, void, undefined> {
  let pending = next();
  for (;;) {
    const present = await pending;
    if (present === null) return;
    pending = next();
    // Handled when awaited above; until then, or when the reader stops early, it is nobody's.
    pending.catch(() => undefined);
    yield present;
  }
}
