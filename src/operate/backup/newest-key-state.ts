// The newest key state of a target, for whoever restores: the newest full state that opens and is whole, and the
// newest changes that belong to it. docs/formats/key-state.md "Applying".
import { IntegrityError, PostsealError } from '../../kernel/errors.ts';
import type { StateSource } from '../../archive/key-state/apply.ts';
import { checkKeyState, type OpenStateKey, readKeyState } from './key-state-file.ts';
import { type FoundState, keyStateHeads } from './key-state-retention.ts';
import type { SetDamage } from './read-sets.ts';

export interface NewestState {
  /** In the order in which they are applied. */
  readonly sources: readonly StateSource[];
  /** Id of the full state. */
  readonly file: string;
  readonly generation: number;
  /** Keys and erasures up to here are in it. */
  readonly takenAt: Date;
}

/** Undefined where there is none that opens; what was passed over is told to `onDamage`. */
export async function newestKeyState(
  target: string,
  open: OpenStateKey,
  onDamage: (damage: SetDamage) => void,
): Promise<NewestState | undefined> {
  const damaged = (path: string, what: string): void => onDamage({ place: path, what });
  const found = (await keyStateHeads(target, (path) => damaged(path, 'head'))).toReversed();
  const changes: { at: FoundState; after: string; takenAt: number }[] = [];
  for (const at of found) {
    const { path, head } = at;
    try {
      const { state } = await checkKeyState(path, open);
      const takenAt = state.takenAt ?? 0;
      if (head.kind === 'changes') {
        changes.push({ at, after: state.after, takenAt });
        continue;
      }
      const own = changes.find(({ after }) => after === head.fileId);
      const paths = [...(own === undefined ? [] : [own.at.path]), path];
      return {
        sources: paths.map((one) => () => readKeyState(one, open)),
        ...{ file: head.fileId, generation: head.generation },
        takenAt: new Date(own?.takenAt ?? takenAt),
      };
    } catch (error) {
      if (!isUnusable(error)) throw error;
      damaged(
        path,
        error instanceof IntegrityError ? 'damaged' : 'its key generation is destroyed',
      );
    }
  }
  return undefined;
}

/** A token that is away is no reason to take an older state. */
function isUnusable(error: unknown): boolean {
  if (error instanceof IntegrityError) return true;
  return error instanceof PostsealError && error.code === 'key.destroyed';
}
