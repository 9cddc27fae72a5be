import { randomBytes } from 'node:crypto';
import { renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CustodianId, OrganisationId } from '../../../src/kernel/ids.ts';
import { systemActor, type EventDraft } from '../../../src/ledger/event/draft.ts';
import { withEvents } from '../../../src/ledger/event/inbox.store.ts';
import { createKeyClient } from '../../../src/vault/keys/client.ts';
import { startKeyProcess } from '../../../src/vault/service/key-process.ts';
import { startKeyService } from '../../../src/vault/service/key-service.ts';
import { moduleOf, newKeysFolder, openTestToken } from '../../harness/token.ts';
import { testIf } from '../../harness/needs.ts';
import { dekSlot, newId, startRunningService, type RunningService } from './running-service.ts';

const softhsm = moduleOf('softhsm2');
const hsm = softhsm !== undefined;
const nss = moduleOf('nss-softokn') !== undefined;

let run: RunningService;
beforeAll(async () => {
  run = await startRunningService();
});
afterAll(() => run.close());

const refused = (reason: string) => ({ code: 'key.refused', fields: { reason } });

describe('the key service', () => {
  test('is reachable by its owner alone', () => {
    expect(statSync(run.socketPath).mode & 0o777).toBe(0o600);
  });

  test('makes a custodian and a group once, however many ask at the same time', async () => {
    const custodian = newId() as CustodianId;
    const others = Array.from({ length: 8 }, () => createKeyClient({ socketPath: run.socketPath }));
    await Promise.all(others.map((one) => one.ensureCustodian(custodian)));
    await Promise.all(
      others.map((one) => one.wrap([{ ...dekSlot(custodian, 5), key: randomBytes(32) }])),
    );
    await Promise.all(others.map((one) => one.close()));
    const count = async (table: string): Promise<number> => {
      const sql = `select count(*)::int as n from ${table} where custodian_id = $1`;
      return (await run.db.database.pool.query<{ n: number }>(sql, [custodian])).rows[0]?.n ?? 0;
    };
    expect(await count('custodian_key')).toBe(1);
    expect(await count('custodian_slot_key')).toBe(2);
    expect(await count('group_key')).toBe(1);
  });

  test('knows no custodian that was never made', async () => {
    await expect(
      run.client.wrap([{ ...dekSlot(newId()), key: randomBytes(32) }]),
    ).rejects.toMatchObject(refused('custodian-unknown'));
  });

  test('opens everything again after its caches are flushed and after a restart', async () => {
    const custodian = await run.newCustodian();
    const slot = dekSlot(custodian, 4_000_000);
    const key = randomBytes(32);
    const [wrap] = await run.client.wrap([{ ...slot, key }]);
    const grant = await run.readGrant(custodian);
    run.service.flush();
    const opened = await run.client.open(grant, [{ ...slot, wrap: wrap! }]);
    expect(opened[0]?.equals(key)).toBe(true);
    await run.service.close();
    const waiting = run.client.open(grant, [{ ...slot, wrap: wrap! }]);
    await run.start();
    expect((await waiting)[0]?.equals(key)).toBe(true);
  });

  test('the database holds wraps and no key', async () => {
    const custodian = await run.newCustodian();
    const key = randomBytes(32);
    await run.client.wrap([{ ...dekSlot(custodian), key }]);
    const shown = await Promise.all(
      [
        run.client.writeKey('names', custodian),
        run.client.writeKey('side-record', custodian),
        run.client.writeKey('dedup', 'organisation'),
      ].map(async (found) => (await found).key.toString('hex')),
    );
    const tables = ['custodian_key', 'group_key', 'custodian_slot_key', 'organisation_key'];
    for (const table of [...tables, 'kek_generation', 'audit_inbox', 'audit_side']) {
      const { rows } = await run.db.database.pool.query<{ row: string }>(
        `select t::text as row from ${table} t`,
      );
      expect(
        rows.filter(({ row }) => [...shown, key.toString('hex')].some((k) => row.includes(k))),
      ).toEqual([]);
    }
  });

  test('a row cannot be changed without an event', async () => {
    for (const table of [
      'custodian_key',
      'group_key',
      'custodian_slot_key',
      'organisation_key',
      'kek_generation',
    ]) {
      await expect(
        run.db.database.pool.query(`update ${table} set created_at = now()`),
      ).rejects.toMatchObject({ code: 'PS001' });
    }
  });

  test('swapped rows of custodian keys open nothing', async () => {
    const [first, second] = [await run.newCustodian(), await run.newCustodian()];
    const { rows } = await run.db.database.pool.query<{ id: string }>(
      'select key_id::text as id from custodian_key where custodian_id = $1',
      [second],
    );
    const draft: EventDraft = {
      op: 'key.created',
      outcome: 'success',
      actor: systemActor,
      objects: rows.map(({ id }) => ({ t: 'key', id })),
    };
    // Whoever owns the tables puts one custodian's wrap into the other's row.
    await withEvents(run.db.database, run.sealer, [draft], (c, [event]) =>
      c.query(
        `update custodian_key t set wrap = s.wrap, key_id = s.key_id, event_id = $3
           from custodian_key s where t.custodian_id = $1 and s.custodian_id = $2`,
        [first, second, event!.id],
      ),
    );
    run.service.flush();
    await expect(
      run.client.wrap([{ ...dekSlot(first), key: randomBytes(32) }]),
    ).rejects.toMatchObject({
      code: 'integrity.tag',
    });
    expect(await run.client.wrap([{ ...dekSlot(second), key: randomBytes(32) }])).toHaveLength(1);
  });

  testIf(hsm, 'no SoftHSM', 'goes on from its caches while the token is away', async () => {
    const custodian = await run.newCustodian();
    const slot = dekSlot(custodian);
    const [wrap] = await run.client.wrap([{ ...slot, key: randomBytes(32) }]);
    const grant = await run.readGrant(custodian);
    renameSync(join(run.keysFolder, 'token'), join(run.keysFolder, 'away'));
    try {
      expect((await run.client.status()).available).toBe(false);
      expect(await run.client.open(grant, [{ ...slot, wrap: wrap! }])).toHaveLength(1);
      await expect(run.client.ensureCustodian(newId())).rejects.toMatchObject({
        code: 'key.unavailable',
        retryable: true,
      });
    } finally {
      renameSync(join(run.keysFolder, 'away'), join(run.keysFolder, 'token'));
    }
    await eventually(() => run.newCustodian());
    expect(await run.client.status()).toMatchObject({
      available: true,
      tokenClass: 'software-token',
      generation: 1,
    });
  });

  testIf(nss, 'no NSS', 'tables of one token do not start on another', async () => {
    const other = await openTestToken('nss-softokn', newKeysFolder(), run.organisation);
    const attempt = startKeyService({
      database: run.db.database,
      store: other,
      organisation: run.organisation,
      sealer: run.sealer,
      socketPath: `${run.socketPath}.other`,
      now: () => Date.now(),
      onError: (error) => run.troubles.push(error),
    });
    await expect(attempt).rejects.toMatchObject({
      code: 'key.store-other',
      exit: 78,
    });
    await other.close();
  });

  test('nothing went wrong that was not meant to', () => {
    const codes = new Set(run.troubles.map((t) => (t as { code?: string }).code ?? String(t)));
    const expected = ['integrity.tag', 'integrity.format', 'key.destroyed', 'key.unavailable'];
    expect([...codes].filter((code) => !expected.includes(code))).toEqual([]);
  });
});

describe('startKeyProcess', () => {
  test('a service killed by -9 comes back, and the clients only wait', async () => {
    const deaths: unknown[] = [];
    const own = newId() as OrganisationId;
    const path = join(dirname(run.socketPath), 'process.sock');
    const passphrase = 'a passphrase of the test';
    const running = await startKeyProcess({
      config: {
        databaseUrl: run.db.url,
        organisation: own,
        node: 'n1',
        folder: newKeysFolder(),
        socketPath: path,
        store:
          softhsm === undefined
            ? { kind: 'keyfile', passphrase }
            : { kind: 'pkcs11', module: softhsm, profile: 'softhsm2', tokenLabel: 'postseal' },
      },
      onTrouble: () => undefined,
      onDeath: (exit) => deaths.push(exit),
    });
    const node = createKeyClient({ socketPath: path });
    const custodian = newId() as CustodianId;
    await node.ensureCustodian(custodian);
    const first = running.pid!;
    const wraps: Promise<Buffer[]>[] = [];
    for (let i = 0; i < 40; i += 1) {
      wraps.push(node.wrap([{ ...dekSlot(custodian, i), key: randomBytes(32) }]));
      if (i === 20) process.kill(first, 'SIGKILL');
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await Promise.all(wraps)).flat()).toHaveLength(40);
    expect(deaths).toEqual([{ code: null, signal: 'SIGKILL' }]);
    expect(running.pid).not.toBe(first);
    await node.close();
    await running.close();
    expect(deaths).toHaveLength(1);
  });

  test('a start that cannot work says why, once', async () => {
    const attempt = startKeyProcess({
      config: {
        databaseUrl: run.db.url,
        organisation: newId(),
        node: 'n1',
        folder: newKeysFolder(),
        socketPath: join(dirname(run.socketPath), 'never.sock'),
        store: { kind: 'pkcs11', profile: 'no-such-profile', tokenLabel: 'postseal' },
      },
      onTrouble: () => undefined,
      onDeath: () => undefined,
    });
    await expect(attempt).rejects.toMatchObject({ code: 'config.invalid', exit: 78 });
  });

  test('without a service a call ends with key.unavailable when its time is up', async () => {
    const node = createKeyClient({
      socketPath: join(dirname(run.socketPath), 'nobody.sock'),
      timeoutMs: 300,
    });
    await expect(node.status()).rejects.toMatchObject({ code: 'key.unavailable', retryable: true });
    await node.close();
    await expect(node.status()).rejects.toMatchObject({ code: 'key.unavailable' });
  });
});

async function eventually<T>(call: () => Promise<T>): Promise<T> {
  for (let i = 0; ; i += 1) {
    try {
      return await call();
    } catch (error) {
      if (i === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
