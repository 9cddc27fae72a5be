// The route of backups by hand: the command line reads one line a step, and the report as the last.
import { setTimeout as sleep } from 'node:timers/promises';
import { personActor } from '../../access/person-actor.ts';
import { objectSchema, type Route, route } from '../../access/routes/route.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { Pseudonyms } from '../../ledger/event/actor-keys.store.ts';
import type { Backups, BaseKind } from './backups.ts';

export interface BackupRoutesDeps {
  /** Undefined without a target. */
  readonly backups: Backups | undefined;
  readonly pseudonyms: Pick<Pseudonyms, 'of'>;
}

const access = ['system-admin'] as const;
const progressMs = 200;

interface Progress {
  done: number;
  total: number;
}

/** Lines `{done, total}` while `work` goes on, then `{result}`. */
export async function* withProgress<T>(
  work: (onProgress: (done: number, total: number) => void) => Promise<T>,
): AsyncGenerator<Progress | { readonly result: T }> {
  const at: Progress = { done: 0, total: 0 };
  const ended = work((done, total) => {
    at.done = done;
    at.total = total;
  });
  // It may fail before it is waited for.
  ended.catch(() => undefined);
  let told = 0;
  while ((await Promise.race([ended.then(isOver, isOver), sleep(progressMs)])) !== isOver()) {
    if (at.done !== told) yield { ...at };
    told = at.done;
  }
  yield { result: await ended };
}

const over = Symbol('over');
const isOver = (): symbol => over;

export function backupRoutes({ backups, pseudonyms }: BackupRoutesDeps): readonly Route[] {
  return [
    route<{ kind: BaseKind }>({
      name: 'backup.run',
      method: 'POST',
      path: '/backups',
      summary: 'Make a full or incremental backup',
      access,
      input: objectSchema({ kind: { type: 'string', enum: ['full', 'incremental'] } }),
      run({ input, by }) {
        if (by === undefined) throw new PostsealError('access.signed-out');
        if (backups === undefined) throw new PostsealError('backup.no-target');
        const actor = personActor(pseudonyms, by, access);
        return Promise.resolve(
          withProgress((onProgress) => backups.run(input.kind, actor, onProgress)),
        );
      },
    }),
  ];
}
