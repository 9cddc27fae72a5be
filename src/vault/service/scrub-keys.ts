// Proves that every live key of custodians and groups still opens: one that does not is damage to all
// that hangs under it. Ask a key service that was started for this, since one that runs has the keys of
// busy custodians in memory and would not look at their rows. docs/formats/key-hierarchy.md.
import { randomBytes, randomUUID } from 'node:crypto';
import { PostsealError } from '../../kernel/errors.ts';
import type { CustodianId } from '../../kernel/ids.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { KeyClient } from '../keys/types.ts';
import { listGroupKeys, listSlotKeys } from './key-list.store.ts';

export interface KeyFinding {
  readonly custodian: CustodianId;
  /** `names`, `side-record` or `group 3`; a custodian key that is broken shows in all of its keys. */
  readonly key: string;
  /** Code of the error that opening it gave. */
  readonly code: string;
}

/** Yields what does not open; `onKey` hears of every key that was tried. */
export async function* scrubKeys(
  deps: {
    readonly database: Pick<Database, 'pool'>;
    readonly keys: Pick<KeyClient, 'wrap' | 'writeKey'>;
  },
  onKey: () => void,
): AsyncGenerator<KeyFinding> {
  const { database, keys } = deps;
  for await (const slots of listSlotKeys(database)) {
    for (const { custodian, slot } of slots) {
      onKey();
      const code = await failureOf(async () => {
        (await keys.writeKey(slot, custodian)).key.fill(0);
      });
      if (code !== undefined) yield { custodian, key: slot, code };
    }
  }
  for await (const groups of listGroupKeys(database)) {
    for (const { custodian, group } of groups) {
      onKey();
      // Wrapping something below a group key is the cheapest call that needs it; the wrap is dropped.
      const slot = { custodian, group, purpose: 'dek', objectId: randomUUID() } as const;
      const code = await failureOf(() => keys.wrap([{ ...slot, key: randomBytes(32) }]));
      if (code !== undefined) yield { custodian, key: `group ${String(group)}`, code };
    }
  }
}

async function failureOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    // What may be tried again says nothing about the row.
    if (!(error instanceof PostsealError) || error.retryable) throw error;
    return error.code;
  }
}
