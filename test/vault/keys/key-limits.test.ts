// How many keys a session and a client get in a time: the buckets on their own, and a real service that meets them.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CustodianId } from '../../../src/kernel/ids.ts';
import { createKeyLimits, keyLimitsDefault } from '../../../src/vault/service/key-limits.ts';
import { configDefaults } from '../../../src/platform/config/schema.ts';
import { createKeyClient } from '../../../src/vault/keys/client.ts';
import { dekSlot, type RunningService, startRunningService } from './running-service.ts';

describe('buckets', () => {
  const rates = {
    sessionPerSecond: 10,
    sessionPerMinute: 60,
    clientPerSecond: 1_000,
    clientPerMinute: 1_000,
  };

  test('a second gives its keys and no more, a minute too, each purpose by itself', () => {
    let now = 0;
    const limits = createKeyLimits(rates, () => now);
    expect(limits.session('a', 'dpo', 10)).toBe(true);
    expect(limits.session('a', 'dpo', 1)).toBe(false);
    expect(limits.session('a', 'case', 10)).toBe(true);
    expect(limits.session('b', 'dpo', 10)).toBe(true);
    now += 500;
    expect(limits.session('a', 'dpo', 6)).toBe(false);
    expect(limits.session('a', 'dpo', 5)).toBe(true);
    let given = 15;
    for (; now < 60_000; now += 1_000) given += limits.session('a', 'dpo', 10) ? 10 : 0;
    // Sixty at the beginning, and one a second since.
    expect(given).toBeGreaterThan(60);
    expect(given).toBeLessThanOrEqual(120);
  });

  test('what is refused takes nothing', () => {
    const limits = createKeyLimits(rates, () => 0);
    expect(limits.session('a', 'dpo', 11)).toBe(false);
    expect(limits.session('a', 'dpo', 10)).toBe(true);
  });

  test('many that ask once are forgotten again', () => {
    let now = 0;
    const limits = createKeyLimits(rates, () => now);
    for (let i = 0; i < 70_000; i += 1) limits.session(String(i), 'dpo', 10);
    // Pushed out by so many others; a real session asks for far more than one key before that.
    expect(limits.session('0', 'dpo', 10)).toBe(true);
    now += 61_000;
    expect(limits.session('69999', 'dpo', 10)).toBe(true);
  });

  test('the configuration and the service have the same defaults', () => {
    expect(configDefaults).toMatchObject({ keyService: { limits: keyLimitsDefault } });
  });
});

describe('a service with limits', () => {
  let run: RunningService;
  let custodian: CustodianId;
  beforeAll(async () => {
    run = await startRunningService({
      limits: {
        sessionPerSecond: 100,
        sessionPerMinute: 100,
        clientPerSecond: 400,
        clientPerMinute: 400,
      },
    });
    custodian = await run.newCustodian();
  });
  afterAll(() => run.close());

  const limited = (fields: object) => ({ code: 'key.limited', retryable: true, fields });

  test('refuses a session that asks for more, and no other session', async () => {
    const items = Array.from({ length: 60 }, () => ({
      ...dekSlot(custodian),
      key: randomBytes(32),
    }));
    const wraps = await run.client.wrap(items);
    const all = items.map((item, i) => ({ ...item, wrap: wraps[i]! }));
    const grant = await run.readGrant(custodian);
    expect(await run.client.open(grant, all)).toHaveLength(60);
    await expect(run.client.open(grant, all)).rejects.toMatchObject(
      limited({ purpose: 'owner-read', session: grant.session }),
    );
    expect(await run.client.open(await run.readGrant(custodian), all)).toHaveLength(60);
    expect(run.troubles).toMatchObject([{ code: 'key.limited' }]);
  });

  test('refuses a client that wraps more, over whatever connection, and goes on with the rest', async () => {
    const other = createKeyClient({ socketPath: run.socketPath });
    const wrap = (client: typeof other, length: number) =>
      client.wrap(Array.from({ length }, () => ({ ...dekSlot(custodian), key: randomBytes(32) })));
    await wrap(run.client, 300);
    await expect(wrap(other, 300)).rejects.toMatchObject(
      limited({ purpose: 'wrap', client: 'local' }),
    );
    expect(await other.status()).toMatchObject({ available: true });
    await other.close();
  });

  test('each is in the ledger', async () => {
    await run.service.close();
    const { rows } = await run.db.database.pool.query<{ text: string }>(
      `SELECT convert_from(b, 'UTF8') AS text FROM audit_inbox, unnest(bodies) AS b`,
    );
    const refusals = rows
      .map(({ text }) => JSON.parse(text) as { op: string; out: string; f: { rows: unknown[][] } })
      .filter(({ op }) => op === 'key.refused');
    expect(refusals.flatMap(({ out }) => out)).not.toContain('success');
    const told = refusals.flatMap(({ f }) => f.rows.map(([row]) => String(row)));
    expect(told.sort()).toEqual([
      expect.stringMatching(/^limit owner-read [0-9a-f-]{36}$/),
      'limit wrap local',
    ]);
    await run.start();
  });
});
