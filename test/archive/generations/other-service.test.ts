// A key service that did not see a switch of generations: one beside it, or one whose COMMIT went through without
// an answer. It works by what the tables say, not by what it remembers.
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import {
  type KeySwitchDeps,
  rewrapKeys,
  type Rewrapped,
  rotateKeys,
} from '../../../src/archive/generations/key-switch.ts';
import type { CustodianId } from '../../../src/kernel/ids.ts';
import { systemActor } from '../../../src/ledger/event/draft.ts';
import { createKeyClient } from '../../../src/vault/keys/client.ts';
import type { KeyClient, KeySlot } from '../../../src/vault/keys/types.ts';
import { type KeyService, startKeyService } from '../../../src/vault/service/key-service.ts';
import { openSwitchStage, type SwitchStage } from './switch-stage.ts';

let run: SwitchStage;
let service: KeyService;
let other: KeyClient;
const ended: (() => void)[] = [];
beforeAll(async () => {
  run = await openSwitchStage();
  const { database, organisation, keyStore: store } = run.stage;
  service = await startKeyService({
    ...{ database, organisation, store },
    sealer: run.stage.newSealer('keys'),
    socketPath: join(tmpdir(), `${randomUUID().slice(0, 8)}.sock`),
    now: () => Date.now(),
    onError: () => undefined,
  });
  other = createKeyClient({ socketPath: service.socketPath });
}, 60_000);
afterEach(() => {
  for (const end of ended.splice(0)) end();
});
afterAll(async () => {
  await other.close();
  await service.close();
  await run.close();
});

const slot = (custodian: CustodianId, group: number): KeySlot => ({
  custodian,
  group,
  purpose: 'dek',
  objectId: randomUUID(),
});
const wrapWith = (keys: KeyClient, custodian: CustodianId, group: number) =>
  keys.wrap([{ ...slot(custodian, group), key: randomBytes(32) }]);

async function rewrapWith(deps: KeySwitchDeps): Promise<Rewrapped> {
  for await (const line of rewrapKeys(deps, systemActor)) if (!('phase' in line)) return line.done;
  throw new Error('no end');
}

test('moves what is left, and to the keys that live now', async () => {
  const touched = await run.newCustodian();
  const untouched = await run.newCustodian();
  const [gone, ...left] = await run.fill(touched, 3);
  left.push(...(await run.fill(untouched, 2)));
  // It has the key in memory that is replaced now.
  await wrapWith(other, touched, 0);
  await run.node.shred(gone!);
  await rotateKeys(run.deps, systemActor);
  expect(await rewrapWith({ ...run.deps, keys: other })).toMatchObject({
    generation: 2,
    custodians: 1,
    groups: 1,
    failed: 0,
  });
  await run.stage.restartKeys();
  expect(await run.unreadable(left)).toEqual([]);
}, 60_000);

test('proves by the live generation of the tables', async () => {
  await rotateKeys(run.deps, systemActor);
  const step = { do: 'prove', after: '00000000-0000-0000-0000-000000000000', limit: 16 } as const;
  // Nobody was moved: not one opens without the generation before.
  expect(await other.generation(step)).toMatchObject({ proved: 0 });
  await rewrapWith(run.deps);
  expect(await other.generation(step)).toMatchObject({ proved: 2, failed: [] });
});

test('a group that it makes while its custodian gets new keys is not left under the old ones', async () => {
  const custodian = await run.newCustodian();
  const [gone, ...left] = await run.fill(custodian, 2);
  await run.node.shred(gone!);
  await wrapWith(other, custodian, 0);
  // Between the reading of the rows and the transaction.
  const { keyStore } = run.stage;
  const wrap = keyStore.wrap.bind(keyStore);
  let made = false;
  keyStore.wrap = async (...asked) => {
    const [, aad] = asked;
    const own = Buffer.from(aad).includes(Buffer.from(custodian.replaceAll('-', ''), 'hex'));
    if (own && !made) {
      made = true;
      await wrapWith(other, custodian, 7);
    }
    return wrap(...asked);
  };
  ended.push(() => {
    keyStore.wrap = wrap;
  });
  await rotateKeys(run.deps, systemActor);
  expect(made).toBe(true);
  expect(
    await run.rows(
      `SELECT DISTINCT parent_version AS parent FROM group_key WHERE custodian_id = $1 AND state = 'live'`,
      [custodian],
    ),
  ).toEqual([{ parent: 2 }]);
  await rewrapWith(run.deps);
  expect(await run.unreadable(left)).toEqual([]);
});
