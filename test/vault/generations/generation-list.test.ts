// What `key generations` says, on a real token: counts of what hangs under each generation.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { listGenerations } from '../../../src/vault/keys/generation-list.store.ts';
import { dekSlot, type RunningService, startRunningService } from '../keys/running-service.ts';

let run: RunningService;
beforeAll(async () => {
  run = await startRunningService();
});
afterAll(() => run.close());

test('the first generation is live, and custodians, their groups and the organisation hang under it', async () => {
  const list = () => listGenerations(run.db.database.pool, run.organisation);
  expect(await list()).toEqual([
    expect.objectContaining({
      generation: 1,
      state: 'live',
      label: `postseal kek ${run.organisation} 1`,
      retiredAt: null,
      destroyedAt: null,
      custodianKeys: 0,
      organisationKeys: 1,
      groupKeys: 0,
    }),
  ]);
  const custodian = await run.newCustodian();
  await run.newCustodian();
  const items = [0, 7].map((group) => ({ ...dekSlot(custodian, group), key: randomBytes(32) }));
  await run.client.wrap(items);
  expect(await list()).toMatchObject([{ custodianKeys: 2, groupKeys: 2 }]);
});
