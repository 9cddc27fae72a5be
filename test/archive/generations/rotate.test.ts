// `key rotate` on a real token: what is under the new generation afterwards, what is not yet, and that all mail
// opens as before.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { rotateKeys } from '../../../src/archive/generations/key-switch.ts';
import type { StoredRecord } from '../../../src/archive/types.ts';
import type { CustodianId, EventId } from '../../../src/kernel/ids.ts';
import { systemActor } from '../../../src/ledger/event/draft.ts';
import { openSwitchStage, type SwitchStage } from './switch-stage.ts';

let run: SwitchStage;
beforeAll(async () => {
  run = await openSwitchStage();
}, 60_000);
afterAll(() => run.close());

const keysOf = (custodian: CustodianId) =>
  run.rows(
    `SELECT version, generation, state FROM custodian_key WHERE custodian_id = $1 ORDER BY version, generation`,
    [custodian],
  );
const groupsOf = (custodian: CustodianId) =>
  run.rows(
    `SELECT version, parent_version AS parent, state, marked, last_generation AS last FROM group_key
      WHERE custodian_id = $1 ORDER BY group_no, version`,
    [custodian],
  );
const eventsNamed = (op: string) =>
  run.rows(
    `SELECT convert_from(b.body, 'UTF8')::json ->> 'out' AS out FROM audit_inbox i, unnest(i.bodies) AS b (body)
      WHERE convert_from(b.body, 'UTF8')::json ->> 'op' = $1`,
    [op],
  );

describe('a new generation', () => {
  let touched: CustodianId;
  let untouched: CustodianId;
  let left: StoredRecord[];
  beforeAll(async () => {
    touched = await run.newCustodian();
    untouched = await run.newCustodian();
    const [gone, ...others] = await run.fill(touched, 3);
    left = [...others, ...(await run.fill(untouched, 2))];
    await run.node.shred(gone!);
  });

  test('gives who has an erasure new keys, and all others keep theirs until they are moved', async () => {
    expect(await rotateKeys(run.deps, systemActor)).toEqual({
      generation: 2,
      rotated: 1,
      failed: 0,
    });
    expect(await keysOf(touched)).toEqual([
      { version: 1, generation: 1, state: 'retired' },
      { version: 2, generation: 2, state: 'live' },
    ]);
    expect(await groupsOf(touched)).toEqual([
      { version: 1, parent: 1, state: 'retired', marked: false, last: 1 },
      { version: 2, parent: 2, state: 'live', marked: false, last: null },
    ]);
    expect(await keysOf(untouched)).toEqual([{ version: 1, generation: 1, state: 'live' }]);
    expect(await run.generations()).toMatchObject([
      { state: 'retired', custodianKeys: 1, organisationKeys: 0, groupKeys: 2 },
      { state: 'live', custodianKeys: 1, organisationKeys: 1, groupKeys: 1 },
    ]);
  });

  test('all mail opens as before, and new mail is under the new group key', async () => {
    expect(await run.unreadable(left)).toEqual([]);
    await run.stage.restartKeys();
    expect(await run.unreadable(left)).toEqual([]);
    const [fresh] = await run.fill(touched, 1);
    expect(
      await run.rows(
        `SELECT get_byte(wrap, 5) AS version FROM content_wrap WHERE content_id = $1`,
        [fresh!.contentId],
      ),
    ).toEqual([{ version: 2 }]);
    expect(await run.unreadable([fresh!])).toEqual([]);
  });

  test('a custodian who comes later is under it alone', async () => {
    expect(await keysOf(await run.newCustodian())).toEqual([
      { version: 1, generation: 2, state: 'live' },
    ]);
  });

  test('order, KEK, moved keys and the end are events', async () => {
    const ops = ['key.rotation-ordered', 'key.generation-begun', 'key.moved', 'key.rotation-ended'];
    for (const op of ops) expect([op, await eventsNamed(op)]).toEqual([op, [{ out: 'success' }]]);
  });
});

describe('the key service', () => {
  test('makes no KEK without an order that is in the ledger, nor for another event', async () => {
    const { keys, committer } = run.deps;
    const from = (await run.generations()).length;
    const ask = (order: EventId) => keys.generation({ do: 'begin', from, order });
    await expect(ask(randomUUID() as string as EventId)).rejects.toMatchObject({
      code: 'key.refused',
      fields: { reason: 'missing' },
    });
    const other = await committer.record({
      op: 'server.started',
      outcome: 'success',
      actor: systemActor,
      objects: [],
    });
    await expect(ask(other)).rejects.toMatchObject({ fields: { reason: 'operation' } });
    expect((await run.generations()).length).toBe(from);
  });

  test('asked twice for the same generation, makes it once', async () => {
    const { keys, committer, organisation } = run.deps;
    const from = (await run.generations()).length;
    const order = await committer.record({
      op: 'key.rotation-ordered',
      outcome: 'success',
      actor: systemActor,
      objects: [{ t: 'org', id: organisation }],
    });
    const step = { do: 'begin', from, order } as const;
    const answers = [await keys.generation(step), await keys.generation(step)];
    expect(answers).toEqual([{ generation: from + 1 }, { generation: from + 1 }]);
    expect((await run.generations()).length).toBe(from + 1);
  });

  test('moves nobody without the lease', async () => {
    const step = { do: 'move', after: randomUUID(), limit: 4, marked: false } as const;
    const custodian = await run.newCustodian();
    const before = await keysOf(custodian);
    const lease = { name: 'key-generations', fence: 0 };
    await rotateKeys(run.deps, systemActor);
    const after = '00000000-0000-0000-0000-000000000000';
    await expect(run.deps.keys.generation({ ...step, after, lease })).rejects.toMatchObject({
      code: 'store.conflict',
    });
    expect(await keysOf(custodian)).toEqual(before);
  });
});
