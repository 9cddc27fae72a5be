// Whether this archive may change. One that was made of a backup may not before two people have signed for it;
// nothing but their signature in its database opens it.
import { PostsealError } from '../../kernel/errors.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { isRestoreUnsigned } from './home-restore.store.ts';

export interface ServiceGate {
  isOpen(): Promise<boolean>;
  /** @throws PostsealError `restore.unsigned`. */
  check(): Promise<void>;
}

/** Asks the database until it is open, and never again: a restore happens to no archive that runs. */
export function createServiceGate(database: Pick<Database, 'pool'>): ServiceGate {
  let open = false;
  let asking: Promise<boolean> | undefined;
  const ask = async (): Promise<boolean> => {
    try {
      open = !(await isRestoreUnsigned(database.pool));
      return open;
    } finally {
      asking = undefined;
    }
  };
  const isOpen = (): Promise<boolean> => (open ? Promise.resolve(true) : (asking ??= ask()));
  return {
    isOpen,
    async check() {
      if (!(await isOpen())) throw new PostsealError('restore.unsigned');
    },
  };
}
