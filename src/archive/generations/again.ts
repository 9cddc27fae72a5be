// Steps of a switch meet deliveries, shreds and folds in the database. What conflicts with one of these was
// rolled back whole and is simply done once more.
import { PostsealError } from '../../kernel/errors.ts';

const conflictsMax = 8;
const conflicts: ReadonlySet<string> = new Set(['store.conflict', 'store.aborted']);

export function isConflict(error: unknown): boolean {
  return error instanceof PostsealError && conflicts.has(error.code);
}

/** Runs `step` until it does not conflict, at most nine times. @throws what the last time threw. */
export async function again<T>(step: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await step();
    } catch (error) {
      if (!isConflict(error) || tries === conflictsMax) throw error;
    }
  }
}
