// Facts of messages in memory: always those of the rows, asked for once, and never more than there is
// room for, whoever reads through how large a mailbox.
import { describe, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { CustodianId, MailboxId, RecordId, RecordNo, Uid } from '../../src/kernel/ids.ts';
import type { UnixMs } from '../../src/kernel/time.ts';
import type { MailboxKey } from '../../src/mailbox/state/read-state.store.ts';
import type { MessageFacts } from '../../src/mailbox/types.ts';
import { FactsCache } from '../../src/mailbox/view/facts-cache.ts';

const newKey = (): MailboxKey => ({
  custodian: randomUUID() as string as CustodianId,
  mailbox: randomUUID() as string as MailboxId,
});

/** Every seventh uid never was. */
const factsOf = ({ custodian, mailbox }: MailboxKey, uid: Uid): MessageFacts[] =>
  uid % 7 === 0
    ? []
    : [
        {
          uid,
          record: {
            custodian,
            recordId: `${mailbox} ${uid}` as RecordId,
            recordNo: (uid + 2 ** 40) as RecordNo,
          },
          size: uid * 3,
          internalDate: (1_700_000_000_000 + uid) as UnixMs,
          savedAt: (1_800_000_000_000 - uid) as UnixMs,
        },
      ];
const rows = (key: MailboxKey, uids: readonly Uid[]): MessageFacts[] =>
  [...new Set(uids)].sort((a, b) => a - b).flatMap((uid) => factsOf(key, uid));

/** A cache over these rows that counts the uids it asks for. */
function newCache(messagesMax: number) {
  const asked: Uid[] = [];
  const cache = new FactsCache((key, uids) => {
    asked.push(...uids);
    return Promise.resolve(rows(key, uids));
  }, messagesMax);
  return { cache, asked };
}
const span = (from: number, to: number): Uid[] =>
  Array.from({ length: to - from + 1 }, (_, i) => (from + i) as Uid);

describe('FactsCache', () => {
  test('says what the rows say, in their order, and stays within its bound', async () => {
    const keys = [newKey(), newKey(), newKey()];
    const list = fc.array(fc.integer({ min: 1, max: 700 }), { maxLength: 30 });
    const question = fc.tuple(fc.constantFrom(...keys), list);
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 64, 300, 2_000),
        fc.array(question, { maxLength: 20 }),
        async (max, questions) => {
          const { cache } = newCache(max);
          for (const [key, uids] of questions) {
            expect(await cache.of(key, uids as Uid[])).toEqual(rows(key, uids as Uid[]));
            expect(cache.size).toBeLessThanOrEqual(Math.max(64, max));
          }
        },
      ),
      { seed: 31, numRuns: 300 },
    );
  });

  test('asks for a message once, and for one that never was each time', async () => {
    const { cache, asked } = newCache(10_000);
    const key = newKey();
    await cache.of(key, span(1, 6));
    await cache.of(key, span(4, 8));
    await cache.of(key, span(1, 8));
    expect(asked).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 7]);
  });

  test('another custodian’s question about the mailbox is a question to the rows', async () => {
    const { cache, asked } = newCache(10_000);
    const key = newKey();
    await cache.of(key, span(1, 2));
    const other = { ...newKey(), mailbox: key.mailbox };
    expect(await cache.of(other, span(1, 2))).toEqual(rows(other, span(1, 2)));
    expect(asked).toEqual([1, 2, 1, 2]);
  });

  test('reading through a huge mailbox leaves the others theirs', async () => {
    const { cache, asked } = newCache(64 * 64);
    const [small, huge] = [newKey(), newKey()];
    await cache.of(small, span(1, 200));
    for (let at = 1; at <= 50_000; at += 500) await cache.of(huge, span(at, at + 499));
    expect(cache.size).toBeLessThanOrEqual(64 * 12);
    asked.length = 0;
    await cache.of(small, span(1, 200));
    expect(asked).toEqual(span(1, 200).filter((uid) => uid % 7 === 0));
    // Its own last part is still there.
    asked.length = 0;
    await cache.of(huge, span(49_900, 50_000));
    expect(asked.every((uid) => uid % 7 === 0)).toBe(true);
  });

  test('the mailbox that was used longest ago makes room', async () => {
    const { cache, asked } = newCache(64 * 16);
    const keys = Array.from({ length: 16 }, newKey);
    for (const key of keys) await cache.of(key, span(1, 6));
    const [first, second] = [keys[0]!, keys[1]!];
    await cache.of(first, span(1, 6));
    await cache.of(newKey(), span(1, 6));
    asked.length = 0;
    await cache.of(first, span(1, 6));
    expect(asked).toEqual([]);
    await cache.of(second, span(1, 6));
    expect(asked).toEqual(span(1, 6));
  });
});
