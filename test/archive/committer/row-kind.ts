// A part kind for the committer's tests: guarded rows, and every misbehaviour that a kind can have.
import { randomUUID } from 'node:crypto';
import type { BatchTx, PartItem, PartKind } from '../../../src/archive/committer/types.ts';
import { PostsealError } from '../../../src/kernel/errors.ts';
import type { CustodianId } from '../../../src/kernel/ids.ts';

export interface Row {
  readonly id: CustodianId;
  /** `other-object`: as it should, but its operation's event names something else. */
  readonly behave?: 'wrong-event' | 'other-object' | 'break' | 'swallow' | 'refuse' | 'slow-commit';
}

/** Writes custodians; `seen` gets the operations of each call. */
export function rowKind(exclusive: boolean, seen: number[][]): PartKind<Row, string> {
  return {
    name: exclusive ? 'test.exclusive' : 'test.row',
    stage: 1,
    exclusive,
    locks: () => ({}),
    async apply(tx: BatchTx, items: readonly PartItem<Row>[]) {
      seen.push(items.map(({ opIndex }) => opIndex));
      const sent = items.map(async ({ input, event }) => {
        if (input.behave === 'refuse') return new PostsealError('store.conflict', { id: input.id });
        if (input.behave === 'break') await tx.client.query('SELECT 1 / 0');
        if (input.behave === 'swallow')
          await tx.client.query('SELECT 1 / 0').catch(() => undefined);
        if (input.behave === 'slow-commit') await tx.client.query('INSERT INTO slow VALUES (1)');
        const named = input.behave === 'wrong-event' ? randomUUID() : event;
        await tx.client
          .query(
            'INSERT INTO custodian (organisation_id, custodian_id, kind, event_id) VALUES ($1, $2, $3, $4)',
            [tx.organisation, input.id, 'person', named],
          )
          .catch((error: unknown) => {
            if (input.behave !== 'swallow') throw error;
          });
        return input.id;
      });
      const results = await Promise.allSettled(sent);
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      return Promise.all(sent);
    },
  };
}
