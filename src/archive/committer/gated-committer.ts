// A committer that takes no change while the archive must stay as it is. Events alone go on: reading is recorded.
import type { Committer } from './types.ts';

/** `check` throws where nothing may change. */
export function gateCommitter(committer: Committer, check: () => Promise<void>): Committer {
  return {
    async commit(operation) {
      if (operation.parts.length > 0) await check();
      return committer.commit(operation);
    },
    record: (draft) => committer.record(draft),
    get queued() {
      return committer.queued;
    },
    close: () => committer.close(),
  };
}
