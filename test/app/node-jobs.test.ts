// What a node does when its own looks find something: the alert, its class, and the event. That a healthy home
// gives none is in server.test.ts.
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { type NodeJobs, startNodeJobs } from '../../src/app/node-jobs.ts';
import { systemClock } from '../../src/app/services.ts';
import { type CustodianId, uuidV4, type OrganisationId } from '../../src/kernel/ids.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { type AlertBus, createAlertBus } from '../../src/platform/alerts/alert-bus.ts';
import { loadConfig } from '../../src/platform/config/load-config.ts';
import { listGenerations } from '../../src/vault/keys/generation-list.store.ts';
import { tamper } from '../archive/tamper.ts';
import { type NodeServices, startNodeServices } from '../harness/node-services.ts';

jest.setTimeout(120_000);

let node: NodeServices;
let alerts: AlertBus;
let jobs: NodeJobs;
beforeAll(async () => {
  node = await startNodeServices();
  const { services, home, log, db } = node;
  alerts = createAlertBus({ log, now: () => systemClock.now() });
  const context = {
    home,
    databaseUrl: db.url,
    organisation: uuidV4(new Uint8Array(16)) as OrganisationId,
    node: 'test',
    keySocket: '',
  };
  const config = loadConfig(undefined, { POSTSEAL_HOME: home });
  jobs = await startNodeJobs({ config, context, log, alerts, services });
});
afterAll(async () => {
  await jobs.stop();
  await node.close();
});

async function alertOf(code: string): Promise<object> {
  for (let tries = 0; tries < 600; tries += 1) {
    const found = alerts.recent().find((alert) => alert.code === code);
    if (found !== undefined) return found;
    await sleep(50);
  }
  throw new Error(`no alert ${code}: ${JSON.stringify(alerts.recent())}`);
}

test('a ledger that does not verify is a P0 and a failed ledger.verified', async () => {
  // Somebody took the public key away, without which nothing can be checked.
  await jobs.send('ledger.verify-self');
  expect(await alertOf('integrity.ledger')).toMatchObject({
    class: 'P0',
    fields: { findings: 1, place: 'ledger/public-key.der' },
  });
  let seen: readonly { readonly op: string; readonly out: string }[] = [];
  for (let tries = 0; seen.length === 0 && tries < 200; tries += 1) {
    await sleep(50);
    seen = (await node.events()).filter(({ op }) => op === 'ledger.verified');
  }
  expect(seen.map(({ out }) => out)).toEqual(['failure']);
});

test('a ledger that stands still is a P1', async () => {
  mkdirSync(join(node.home, 'ledger'), { recursive: true });
  const checkpoint = join(node.home, 'ledger', 'checkpoint');
  writeFileSync(checkpoint, 'origin\n7\nroot\n');
  utimesSync(checkpoint, 1, 1);
  await jobs.send('home.watch');
  expect(await alertOf('doctor.ledger')).toMatchObject({ class: 'P1' });
});

test('the nightly job deletes a pack of which nothing lives', async () => {
  const { services, home, log } = node;
  const custodian = randomUUID() as CustodianId;
  await services.archive.ensureCustodian(custodian, 'person');
  const bytes = Buffer.from('Subject: x\r\n\r\nshort-lived\r\n');
  const prepared = await services.archive.prepare({ custodian, source: 'lmtp', bytes });
  await services.committer.commit({
    events: [
      {
        op: 'mail.received',
        outcome: 'success',
        actor: systemActor,
        objects: [
          { t: 'rec', id: prepared.recordId },
          { t: 'cus', id: custodian },
        ],
      },
    ],
    parts: [prepared.part()],
  });
  await services.archive.shred(prepared, { actor: systemActor });
  const packs = (): string[] =>
    readdirSync(join(home, 'packs'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.pack'))
      .map((name) => join(home, 'packs', name));
  expect(packs()).toHaveLength(1);
  // As an earlier start of this node left it.
  for (const path of packs()) utimesSync(path, 1, 1);
  await jobs.send('archive.compact');
  for (let tries = 0; packs().length > 0 && tries < 600; tries += 1) await sleep(50);
  expect(packs()).toEqual([]);
  expect((await node.events()).some(({ op }) => op === 'pack.removed')).toBe(true);
  expect(log.entries.some(({ event }) => event === 'archive.pack.compacted')).toBe(true);
});

test('the hourly job makes the next key generation when the live one is old enough', async () => {
  const { services, db } = node;
  const custodian = randomUUID() as CustodianId;
  await services.archive.ensureCustodian(custodian, 'person');
  const generations = () => listGenerations(db.database.pool, services.organisation);
  const ended = async () =>
    (await node.events()).filter(({ op }) => op === 'key.rewrap-ended').length;
  await tamper(
    db.database.pool,
    'kek_generation',
    `UPDATE kek_generation SET created_at = now() - interval '8 days' WHERE organisation_id = $1`,
    [services.organisation],
  );
  await jobs.send('key.switch');
  for (let tries = 0; (await ended()) === 0 && tries < 600; tries += 1) await sleep(50);
  expect(await generations()).toMatchObject([
    { state: 'retired', custodianKeys: 0, organisationKeys: 0, groupKeys: 0 },
    { state: 'live' },
  ]);
});
