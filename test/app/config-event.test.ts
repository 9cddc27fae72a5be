// A changed configuration is an event with both digests, an unchanged one is none, wherever the event
// before it is: still in the inbox, or in the log.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { recordConfig } from '../../src/app/config-event.ts';
import type { OrganisationId } from '../../src/kernel/ids.ts';
import type { Config } from '../../src/platform/config/config.ts';
import { configDigest } from '../../src/platform/config/describe-config.ts';
import { loadConfig } from '../../src/platform/config/load-config.ts';
import { type NodeServices, startNodeServices } from '../harness/node-services.ts';
import { newHome, openLedgerFixture } from '../ledger/ledger-fixture.ts';

let node: NodeServices;
const organisation = randomUUID() as string as OrganisationId;
beforeAll(async () => {
  node = await startNodeServices();
}, 120_000);
afterAll(() => node.close());

const record = (config: Config): Promise<boolean> =>
  recordConfig(node.services, config, organisation);

async function recorded(): Promise<unknown[]> {
  const { rows } = await node.db.database.pool.query<{ f: unknown }>(
    `SELECT convert_from(body, 'UTF8')::jsonb -> 'f' AS f FROM (
       SELECT l.seq, 0 AS n, l.body FROM audit_log l
       UNION ALL
       SELECT 1000000 + i.id, b.n, b.body FROM audit_inbox i, unnest(i.bodies) WITH ORDINALITY AS b (body, n)
     ) e WHERE convert_from(body, 'UTF8')::jsonb ->> 'op' = 'config.changed' ORDER BY seq, n`,
  );
  return rows.map(({ f }) => f);
}

test('each change is recorded once, in the inbox and in the log', async () => {
  const first = loadConfig(undefined, { POSTSEAL_HOME: node.home });
  const second: Config = { ...first, workers: first.workers + 1 };
  const [a, b] = [configDigest(first), configDigest(second)];
  expect([await record(first), await record(first)]).toEqual([true, false]);
  expect([await record(second), await record(second)]).toEqual([true, false]);
  expect(await recorded()).toEqual([{ after: a }, { before: a, after: b }]);
  // From here on the events before are in the log.
  const ledger = await openLedgerFixture(node.db.database, newHome());
  const sequencer = ledger.sequencer();
  sequencer.start();
  await sequencer.publish();
  await sequencer.stop();
  const { rows } = await node.db.database.pool.query('SELECT FROM audit_inbox');
  expect(rows).toEqual([]);
  expect([await record(second), await record(first)]).toEqual([false, true]);
  expect(await record(first)).toBe(false);
  expect((await recorded()).slice(2)).toEqual([{ before: b, after: a }]);
});
