// One delivered message for its recipients: sealed once, then one record, one event and one place in
// INBOX for each recipient, committed on their own so that one failure is not everybody's.
import type { Refusals } from '../../access/refusals.ts';
import type { Archive } from '../../archive/types.ts';
import type { Committer } from '../../archive/committer/types.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { AccountId, EventId } from '../../kernel/ids.ts';
import type { Clock } from '../../kernel/time.ts';
import { type Actor, systemActor } from '../../ledger/event/draft.ts';
import type { Account, MailboxService } from '../../mailbox/types.ts';

export interface DeliveryDeps {
  readonly archive: Pick<Archive, 'prepareFor'>;
  readonly committer: Committer;
  readonly mailboxes: Pick<MailboxService, 'appendPart'>;
  readonly refusals: Pick<Refusals, 'tell'>;
  readonly clock: Clock;
}

export interface DeliveryInput {
  /** One a recipient, in order; the same account may stand twice. */
  readonly accounts: readonly Account[];
  readonly from: string;
  readonly to: readonly string[];
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Address of the mail server that delivers. */
  readonly peer: string;
}

export interface Delivered {
  /** The receipt: the ledger event of this recipient's copy. */
  readonly event: EventId;
}

export interface Delivery {
  /** A result a recipient, in order. Throws only when nothing could be sealed for anybody. */
  deliver(input: DeliveryInput): Promise<readonly (Delivered | PostsealError)[]>;
  /**
   * Mail is refused before it comes; the address of a recipient that does not exist is kept nowhere.
   * Durable or counted when it resolves, and only then it may be answered.
   */
  refused(refused: DeliveryRefusal): Promise<void>;
  /** Nothing of a message was archived. Rejects only where the answer would be final without an event. */
  failed(error: unknown, peer: string): Promise<void>;
}

export interface DeliveryRefusal {
  readonly reason: 'unknown' | 'disabled' | 'too-large' | 'too-many-recipients';
  readonly account?: AccountId;
  readonly peer: string;
}

const actor: Actor = { ...systemActor, role: 'intake', auth: 'lmtp' };

const asPostsealError = (error: unknown): PostsealError =>
  error instanceof PostsealError ? error : new PostsealError('internal', {}, error);

type Whose = Omit<DeliveryRefusal, 'reason'>;

async function tellRefused(
  { refusals }: DeliveryDeps,
  reason: string,
  { account, peer }: Whose,
  outcome: 'denied' | 'failure' = 'denied',
): Promise<void> {
  await refusals.tell({
    ...{ op: 'mail.rejected', outcome, actor, peer },
    objects: account === undefined ? [] : [{ t: 'acc', id: account }],
    fields: { source: 'lmtp', reason },
  });
}

async function tellFailed(deps: DeliveryDeps, error: unknown, whose: Whose): Promise<void> {
  const { code } = asPostsealError(error);
  if (code === 'limit.message-size') return tellRefused(deps, 'too-large', whose);
  // What keeps the message out often keeps the event out too: it is counted, and told once it can be.
  await tellRefused(deps, code, whose, 'failure').catch(() => undefined);
}

export function createDelivery(deps: DeliveryDeps): Delivery {
  return {
    async deliver({ accounts, from, to, bytes, peer }) {
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
                  fields: { source: 'lmtp', original: record.commitment },
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
            await tellFailed(deps, error, { account: account.id, peer });
          }
        }),
      );
      return accounts.map((account) => results.get(account.id) ?? new PostsealError('internal'));
    },
    refused: ({ reason, ...whose }) => tellRefused(deps, reason, whose),
    failed: (error, peer) => tellFailed(deps, error, { peer }),
  };
}
