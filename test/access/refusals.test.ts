// Refusals in the ledger: the first of a kind before its answer, the others counted, and a bound on what is
// remembered, whatever strangers do (docs/security/refusals.md).
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  createRefusals,
  type Refusal,
  type Refusals,
  stranger,
} from '../../src/access/refusals.ts';
import { UnknownNames } from '../../src/access/unknown-names.ts';
import { withoutLedger } from '../harness/ledger-away.ts';
import { type NodeServices, startNodeServices } from '../harness/node-services.ts';

let node: NodeServices;
beforeAll(async () => {
  node = await startNodeServices();
}, 120_000);
afterAll(() => node.close());

interface Told {
  readonly op: string;
  readonly out: string;
  readonly f: Readonly<Record<string, unknown>>;
}

async function told(reason: string): Promise<Told[]> {
  return (await node.events())
    .map(({ text }) => JSON.parse(text) as Partial<Told>)
    .map(({ op = '', out = '', f = {} }): Told => ({ op, out, f }))
    .filter(({ f }) => f['reason'] === reason);
}

const unrecorded: number[] = [];

function open(more: Partial<Parameters<typeof createRefusals>[0]> = {}): Refusals {
  const { committer, clock } = node.services;
  const unknownNames = UnknownNames.begin(randomBytes(32), clock.now());
  const onUnrecorded = (_error: unknown, times: number): void => void unrecorded.push(times);
  return createRefusals({ committer, unknownNames, clock, onUnrecorded, ...more });
}

const refusal = (reason: string, peer = '192.0.2.7'): Refusal => ({
  ...{ op: 'access.denied', outcome: 'denied', actor: stranger, objects: [], peer },
  fields: { listener: 'imap', reason },
});

describe('refusals', () => {
  test('the first of a kind is there when it resolves, the others are one count', async () => {
    const refusals = open();
    await refusals.tell(refusal('one'));
    expect(await told('one')).toMatchObject([{ op: 'access.denied', out: 'denied' }]);
    await Promise.all(Array.from({ length: 40 }, () => refusals.tell(refusal('one'))));
    expect(await told('one')).toHaveLength(1);
    await refusals.close();
    const [first, count, ...rest] = await told('one');
    expect(first?.f).not.toHaveProperty('times');
    expect(count?.f).toMatchObject({ times: 40, seconds: 60 });
    expect(rest).toEqual([]);
  });

  test('one alone gets no count', async () => {
    const refusals = open();
    await refusals.tell(refusal('alone'));
    await refusals.close();
    expect(await told('alone')).toHaveLength(1);
  });

  test('a peer is a hash, equal for one address and another for the next', async () => {
    const refusals = open();
    await refusals.tell(refusal('peer', '192.0.2.8'));
    await refusals.tell(refusal('peer', '192.0.2.8'));
    await refusals.tell(refusal('peer', '192.0.2.9'));
    await refusals.close();
    const events = await told('peer');
    expect(events).toHaveLength(3);
    const [first, second, third] = events.map(({ f }) => f['from']);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(second).not.toBe(first);
    expect(third).toBe(first);
    expect(JSON.stringify(events)).not.toContain('192.0.2.');
  });

  test('a window ends by itself, and the next refusal is an event again', async () => {
    const refusals = open({ windowMs: 50 });
    await refusals.tell(refusal('window'));
    while ((await told('window')).length < 2) await refusals.tell(refusal('window'));
    await refusals.close();
    const times = (await told('window')).map(({ f }) => f['times']);
    expect(times[0]).toBeUndefined();
    expect(times).toContainEqual(expect.any(Number));
  });

  test('more kinds than may be told apart are counted together, without who and whence', async () => {
    const refusals = open({ kindsMax: 2 });
    for (let i = 0; i < 20; i += 1) await refusals.tell(refusal('many', `192.0.2.${i}`));
    await refusals.close();
    const events = await told('many');
    expect(events.filter(({ f }) => 'from' in f)).toHaveLength(2);
    const common = events.filter(({ f }) => !('from' in f));
    expect(common.map(({ f }) => f['times'])).toEqual([undefined, 17]);
  });

  test('what the ledger does not take is refused to the caller, and told once it can be', async () => {
    const refusals = open();
    await withoutLedger(node.db.database, async () => {
      await expect(refusals.tell(refusal('away'))).rejects.toThrow();
      await expect(refusals.tell(refusal('away'))).rejects.toThrow();
    });
    expect(await told('away')).toEqual([]);
    await refusals.tell(refusal('away'));
    await refusals.close();
    expect((await told('away')).map(({ f }) => f['times'])).toEqual([3]);
  });

  test('a count that could not be written is kept for the next window', async () => {
    const refusals = open({ windowMs: 50 });
    await refusals.tell(refusal('late'));
    await withoutLedger(node.db.database, async () => {
      await refusals.tell(refusal('late')).catch(() => undefined);
      const before = unrecorded.length;
      while (unrecorded.length === before) await new Promise((resolve) => setTimeout(resolve, 20));
    });
    await refusals.close();
    const counted = (await told('late')).map(({ f }) => Number(f['times'] ?? 1));
    expect(counted.reduce((sum, times) => sum + times)).toBe(2);
  });
});
