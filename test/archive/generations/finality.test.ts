// An erasure is final: a copy of the tables from before it, with every wrap, and the newest keys and token give
// back everything but what was erased. On a real token, whose old key is destroyed there.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { listErasures } from '../../../src/archive/erased-records.store.ts';
import {
  destroyGeneration,
  type Destruction,
} from '../../../src/archive/generations/key-destroy.ts';
import { rewrapKeys, rotateKeys } from '../../../src/archive/generations/key-switch.ts';
import type { StoredRecord } from '../../../src/archive/types.ts';
import type { CustodianId } from '../../../src/kernel/ids.ts';
import { systemActor } from '../../../src/ledger/event/draft.ts';
import { unwrapKey } from '../../../src/vault/formats/wrap.ts';
import { kekContextBytes } from '../../../src/vault/keys/kek-blob.ts';
import { tamper } from '../tamper.ts';
import { openSwitchStage, type SwitchStage } from './switch-stage.ts';

const keyTables = [
  'kek_generation',
  'organisation_key',
  'custodian_key',
  'custodian_slot_key',
  'group_key',
];
const dataTables = ['content', 'content_wrap', 'record', 'metadata_cell', 'metadata_page'];

let run: SwitchStage;
let custodian: CustodianId;
let erased: StoredRecord;
let kept: StoredRecord[];

/** A copy of the tables as they are now, as a backup has it. */
async function copyTo(schema: string): Promise<void> {
  await run.rows(`CREATE SCHEMA ${schema}`);
  for (const table of [...keyTables, ...dataTables]) {
    await run.rows(`CREATE TABLE ${schema}.${table} AS TABLE public.${table}`);
  }
}

async function putBack(schema: string, tables: readonly string[]): Promise<void> {
  const { pool } = run.stage.database;
  for (const table of tables) {
    await tamper(pool, `public.${table}`, `DELETE FROM public.${table}`, []);
    const sql = `INSERT INTO public.${table} SELECT * FROM ${schema}.${table}`;
    await tamper(pool, `public.${table}`, sql, []);
  }
}

async function rewrap(): Promise<void> {
  const steps = rewrapKeys(run.deps, systemActor);
  while ((await steps.next()).done !== true);
}

const asked = (generation: number, graceDays = 0): Destruction => ({
  generation,
  graceDays,
  actor: systemActor,
  approval: {
    used: {
      op: 'approval.used',
      outcome: 'success',
      actor: systemActor,
      objects: [{ t: 'apr', id: randomUUID() }],
    },
    use: () => Promise.resolve(),
  },
});
const destroy = (generation: number, graceDays?: number) =>
  destroyGeneration(run.deps, asked(generation, graceDays));
const dates = async () => {
  const { organisation } = run.stage;
  const asked = { organisation, record: erased.recordId, limit: 10 };
  return (await listErasures(run.stage.database.pool, asked))[0];
};

beforeAll(async () => {
  run = await openSwitchStage();
  custodian = await run.newCustodian();
  const [first, ...others] = await run.fill(custodian, 12);
  erased = first!;
  kept = [...others, ...(await run.fill(await run.newCustodian(), 5))];
  await copyTo('old');
}, 60_000);
afterAll(() => run.close());

describe('from the erasure to its end', () => {
  test('a live generation is not destroyed, nor one under which anything hangs', async () => {
    await expect(destroy(1)).rejects.toMatchObject({
      code: 'key.still-needed',
      fields: { state: 'live' },
    });
    await run.node.shred(erased);
    expect(await dates()).toMatchObject({
      keysReplacedAt: null,
      lastGeneration: null,
      finalAt: null,
    });
    await rotateKeys(run.deps, systemActor);
    await expect(destroy(1)).rejects.toMatchObject({
      code: 'key.still-needed',
      fields: { generation: 1, custodianKeys: 1 },
    });
    await rewrap();
    expect(await dates()).toMatchObject({ lastGeneration: 1, finalAt: null });
    expect((await dates())?.keysReplacedAt).toMatch(/^\d{4}-/);
  });

  test('nor before its time is over, nor without a decision, and each refusal is in the ledger', async () => {
    await expect(destroy(1, 7)).rejects.toMatchObject({ code: 'key.grace' });
    const undecided = { generation: 1, graceDays: 0, actor: systemActor };
    await expect(destroyGeneration(run.deps, undecided)).rejects.toMatchObject({
      code: 'approval.unknown',
    });
    const lease = { name: 'key-generations', fence: 0 };
    await expect(
      run.deps.keys.generation({ do: 'destroy', generation: 1, lease }),
    ).rejects.toMatchObject({
      code: 'key.refused',
      fields: { reason: 'not-decided' },
    });
    const failed = await run.rows(
      `SELECT 1 FROM audit_inbox i, unnest(i.bodies) b
        WHERE convert_from(b, 'UTF8')::json ->> 'op' = 'key.destruction-failed'`,
    );
    expect(failed.length).toBe(4);
    expect(await run.generations()).toMatchObject([{ state: 'retired' }, { state: 'live' }]);
    expect(await run.unreadable(kept)).toEqual([]);
  });

  test('the key is gone from the token, everything else opens, and the erasure has its last date', async () => {
    const { keyStore } = run.stage;
    const unwrap = keyStore.unwrap.bind(keyStore);
    let calls = 0;
    keyStore.unwrap = (...asked) => {
      calls += 1;
      return unwrap(...asked);
    };
    try {
      expect(await destroy(1)).toEqual({ generation: 1, proved: 2 });
    } finally {
      keyStore.unwrap = unwrap;
    }
    // Both custodians' keys, once more for the wraps that were opened, and the deduplication key: none from memory.
    expect(calls).toBe(5);
    expect(await run.generations()).toMatchObject([
      { state: 'destroyed', custodianKeys: 0, organisationKeys: 0, groupKeys: 0 },
      { state: 'live' },
    ]);
    const { executedAt, keysReplacedAt, finalAt } = (await dates())!;
    expect([executedAt, keysReplacedAt, finalAt].map(String)).toEqual(
      [executedAt, keysReplacedAt, finalAt].map(String).sort(),
    );
    expect(finalAt).toBe((await run.generations())[0]?.destroyedAt);
    await run.stage.restartKeys();
    expect(await run.unreadable(kept)).toEqual([]);
    await expect(destroy(1)).rejects.toMatchObject({ code: 'key.still-needed' });
  });
});

describe('the copy from before the erasure', () => {
  beforeAll(async () => {
    await copyTo('newest');
    await putBack('old', [...dataTables, ...keyTables]);
  });

  test('opens nothing by its own keys', async () => {
    await expect(run.stage.restartKeys()).rejects.toMatchObject({ code: 'key.store-other' });
  });

  test('with the newest key state gives back all that was not erased, byte for byte, and not what was', async () => {
    await putBack('newest', keyTables);
    // What a key-state backup carries besides the keys: the wraps of the groups whose key was replaced.
    for (const [table, object] of [
      ['content_wrap', 'content_id'],
      ['metadata_cell', 'record_id'],
    ] as const) {
      await tamper(
        run.stage.database.pool,
        `public.${table}`,
        `UPDATE public.${table} w SET wrap = n.wrap, digest = n.digest FROM newest.${table} n
          WHERE n.custodian_id = w.custodian_id AND n.${object} = w.${object}`,
        [],
      );
    }
    await run.stage.restartKeys();
    expect(
      await run.rows(`SELECT 1 FROM record WHERE record_id = $1`, [erased.recordId]),
    ).toHaveLength(1);
    expect(await run.unreadable(kept)).toEqual([]);
    await expect(run.node.read(erased)).rejects.toMatchObject({ code: 'key.destroyed' });
  });

  test('its wraps open with no key that is left, tried one by one', async () => {
    const { organisation, keyStore } = run.stage;
    const generations = await run.generations();
    const wraps = await run.rows(
      `SELECT key_id::text AS id, version, generation, wrap FROM old.custodian_key WHERE custodian_id = $1
       UNION SELECT key_id::text, version, generation, wrap FROM newest.custodian_key
        WHERE custodian_id = $1 AND wrap IS NOT NULL`,
      [custodian],
    );
    const opened: { id: string; version: number; key: Buffer }[] = [];
    for (const row of wraps as {
      id: string;
      version: number;
      generation: number;
      wrap: Buffer;
    }[]) {
      const place = { keyId: row.id, generation: row.generation, version: row.version };
      const owner = { organisationId: organisation, ownerId: custodian };
      const context = kekContextBytes({ purpose: 'custodian-key', ...owner, ...place });
      for (const { label } of generations) {
        const key = await keyStore.unwrap(label, context, row.wrap).catch(() => undefined);
        if (key !== undefined) opened.push({ id: row.id, version: row.version, key });
      }
    }
    // The new custodian key alone.
    expect(opened.map(({ version }) => version)).toEqual([2]);
    const groups = (await run.rows(
      `SELECT key_id::text AS id, version, wrap FROM old.group_key WHERE custodian_id = $1
       UNION SELECT key_id::text, version, wrap FROM newest.group_key WHERE custodian_id = $1 AND wrap IS NOT NULL`,
      [custodian],
    )) as { id: string; version: number; wrap: Buffer }[];
    const open = (
      parent: { id: string; version: number; key: Uint8Array },
      purpose: 'group-key' | 'dek',
      objectId: string,
      wrap: Uint8Array,
    ) => {
      const context = {
        purpose,
        custodianId: custodian,
        parentKeyId: parent.id,
        parentVersion: parent.version,
        objectId,
      };
      try {
        return unwrapKey(parent.key, context, wrap);
      } catch {
        return undefined;
      }
    };
    const groupKeys = opened.flatMap((parent) =>
      groups.flatMap(({ id, version, wrap }) => {
        const key = open(parent, 'group-key', id, wrap);
        return key === undefined ? [] : [{ id, version, key }];
      }),
    );
    expect(groupKeys.map(({ version }) => version)).toEqual([2]);
    const old = await run.rows(`SELECT wrap FROM old.content_wrap WHERE content_id = $1`, [
      erased.contentId,
    ]);
    expect(old).toHaveLength(1);
    const wrap = old[0]!['wrap'] as Buffer;
    // Under any version that a key that is left might claim to be.
    const tried = groupKeys.flatMap((parent) =>
      [1, 2].map((version) => open({ ...parent, version }, 'dek', erased.contentId, wrap)),
    );
    expect(tried).toEqual([undefined, undefined]);
    // And the way of trying is right: a wrap that is left opens by it.
    const [left] = await run.rows(`SELECT wrap FROM newest.content_wrap WHERE content_id = $1`, [
      kept[0]!.contentId,
    ]);
    expect(open(groupKeys[0]!, 'dek', kept[0]!.contentId, left!['wrap'] as Buffer)).toHaveLength(
      32,
    );
  });
});

test('a destruction that was interrupted after its decision is carried out without another one', async () => {
  await rotateKeys(run.deps, systemActor);
  await rewrap();
  const { keys } = run.deps;
  // Dies after the decision, before the first wrap is ended.
  const dying = {
    ...run.deps,
    keys: {
      rewrap: keys.rewrap,
      generation: ((step) =>
        step.do === 'bury'
          ? Promise.reject(new Error('dies here'))
          : keys.generation(step)) as typeof keys.generation,
    },
  };
  await expect(destroyGeneration(dying, asked(2))).rejects.toThrow('dies here');
  const again = { generation: 2, graceDays: 7, actor: systemActor };
  expect(await destroyGeneration(run.deps, again)).toMatchObject({ generation: 2 });
  expect((await run.generations()).map(({ state }) => state)).toEqual([
    'destroyed',
    'destroyed',
    'live',
  ]);
  await run.stage.restartKeys();
  expect(await run.unreadable(kept)).toEqual([]);
});
