// One delivered message for its recipients: sealed once, then one record, one event and one place in
// INBOX for each recipient, committed on their own so that one failure is not everybody's.
import type { Archive } from '../../archive/types.ts';
import type { Committer } from '../../archive/committer/types.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { EventId } from '../../kernel/ids.ts';
import type { Clock } from '../../kernel/time.ts';
import { systemActor } from '../../ledger/event/draft.ts';
import type { Account, MailboxService } from '../../mailbox/types.ts';

export interface DeliveryDeps {
  readonly archive: Pick<Archive, 'prepareFor'>;
  readonly committer: Committer;
  readonly mailboxes: Pick<MailboxService, 'appendPart'>;
  readonly clock: Clock;
}

export interface DeliveryInput {
  /** One a recipient, in order; the same account may stand twice. */
  readonly accounts: readonly Account[];
  readonly from: string;
  readonly to: readonly string[];
  readonly bytes: AsyncIterable<Uint8Array>;
}

export interface Delivered {
  /** The receipt: the ledger event of this recipient's copy. */
  readonly event: EventId;
}

export interface Delivery {
  /** A result a recipient, in order. Throws only when nothing could be sealed for anybody. */
  deliver(input: DeliveryInput): Promise<readonly (Delivered | PostsealError)[]>;
  /** A recipient was refused; the address itself is kept nowhere. */
  refused(reason: 'unknown' | 'disabled'): Promise<void>;
}

const asPostsealError = (error: unknown): PostsealError =>
  error instanceof PostsealError ? error : new PostsealError('internal', {}, error);

export function createDelivery(deps: DeliveryDeps): Delivery {
  const actor = { ...systemActor, role: 'intake', auth: 'lmtp' };
  return {
    async deliver({ accounts, from, to, bytes }) {
      const internalDate = deps.clock.now();
      // One custodian gets one copy, however many of the recipients lead to the account.
      const unique = [...new Map(accounts.map((account) => [account.id, account])).values()];
      const custodians = unique.map((account) => account.custodian);
      const records = await deps.archive.prepareFor(custodians, {
        source: 'lmtp',
        bytes,
        envelope: { from, to },
      });
      const results = new Map<string, Delivered | PostsealError>();
      await Promise.all(
        unique.map(async (account, i) => {
          const record = records[i];
          if (record === undefined) throw new PostsealError('internal');
          const { custodian, inbox: mailbox } = account;
          try {
            const { events } = await deps.committer.commit({
              events: [
                {
                  op: 'mail.received',
                  outcome: 'success',
                  actor,
                  objects: [
                    { t: 'rec', id: record.recordId, sz: record.size },
                    { t: 'mbx', id: mailbox },
                    { t: 'acc', id: account.id },
                    { t: 'cus', id: custodian },
                  ],
                  fields: { source: 'lmtp' },
                },
              ],
              parts: [
                record.part(),
                deps.mailboxes.appendPart({ custodian, mailbox, record, flags: 0, internalDate }),
              ],
            });
            const [event] = events;
            if (event === undefined) throw new PostsealError('internal');
            results.set(account.id, { event });
          } catch (error) {
            // Whatever went wrong is this recipient's: the others may be stored already.
            results.set(account.id, asPostsealError(error));
            await record.discard().catch((late: unknown) => {
              results.set(account.id, asPostsealError(late));
            });
          }
        }),
      );
      return accounts.map((account) => results.get(account.id) ?? new PostsealError('internal'));
    },
    async refused(reason) {
      await deps.committer.record({
        op: 'mail.rejected',
        outcome: 'denied',
        actor,
        objects: [],
        fields: { source: 'lmtp', reason },
      });
    },
  };
}
