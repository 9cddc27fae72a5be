// The destruction of a key generation through its routes: proposed by one, granted by two officers, carried out
// after the delay by an officer, and by nobody else.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { approvalUsed } from '../../src/access/approvals.ts';
import { createDispatch } from '../../src/access/routes/dispatch.ts';
import { keyRoutes } from '../../src/access/routes/key-routes.ts';
import type { PersonSession } from '../../src/access/person-actor.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { withEvents } from '../../src/ledger/event/inbox.store.ts';
import { tamper } from '../archive/tamper.ts';
import { type AccessStage, openAccessStage } from './stage.ts';

type Someone = PersonSession & { readonly token: string };

let stage: AccessStage;
let system: Someone;
let audit: Someone;
let officers: Someone[];
beforeAll(async () => {
  stage = await openAccessStage();
  system = await stage.person('sys', 'system-admin');
  audit = await stage.person('aud', 'audit-admin');
  officers = [];
  for (const name of ['key1', 'key2', 'key3']) {
    officers.push(await stage.person(name, 'key-custodian'));
  }
}, 60_000);
afterAll(() => stage.close());

async function call(by: Someone, name: string, input: object = {}): Promise<unknown> {
  const { services, approvals, log } = stage;
  const routes = keyRoutes({ ...services, approvals, log, graceDays: 0 });
  const route = routes.find((one) => one.name === name);
  if (route === undefined) throw new Error(`no route ${name}`);
  const dispatch = createDispatch({ ...services, signIn: stage.signIn });
  const answer = await dispatch(route, { token: by.token, input, ip: 'local' });
  const lines: unknown[] = [];
  if (typeof answer !== 'object' || answer === null || !(Symbol.asyncIterator in answer))
    return answer;
  for await (const line of answer as AsyncIterable<unknown>) lines.push(line);
  return lines.at(-1);
}

test('two of three officers, the delay, and only then', async () => {
  await expect(call(officers[0]!, 'key.destroy', { generation: '1' })).rejects.toMatchObject({
    code: 'key.still-needed',
  });
  expect(await call(system, 'key.rotate')).toMatchObject({ generation: 2, failed: 0 });
  expect(await call(officers[0]!, 'key.rewrap')).toMatchObject({
    done: { generation: 2, failed: 0 },
  });
  for (const other of [audit, system]) {
    await expect(call(other, 'key.destroy', { generation: '1' })).rejects.toMatchObject({
      code: 'access.denied',
    });
  }
  const { proposed } = (await call(officers[2]!, 'key.destroy', { generation: '1' })) as {
    proposed: { id: string };
  };
  const { id } = proposed;
  const destroy = (by: Someone, generation = '1') =>
    call(by, 'key.destroy', { generation, approval: id });
  await expect(destroy(officers[2]!)).rejects.toMatchObject({ fields: { state: 'proposed' } });
  for (const officer of officers.slice(0, 2)) {
    await stage.approvals.decide(id, { grant: true }, officer);
  }
  await expect(destroy(officers[2]!)).rejects.toMatchObject({ fields: { delayHours: 24 } });
  await tamper(
    stage.db.database.pool,
    'approval',
    `UPDATE approval SET decided_at = decided_at - interval '25 hours' WHERE approval_id = $1`,
    [id],
  );
  // Granted for this generation, not for the live one.
  await expect(destroy(officers[2]!, '2')).rejects.toMatchObject({ code: 'key.still-needed' });
  expect(await destroy(officers[2]!)).toMatchObject({ generation: 1 });
  expect(await call(audit, 'key.generations')).toMatchObject([
    { generation: 1, state: 'destroyed' },
    { generation: 2, state: 'live' },
  ]);
  const ops = (await stage.events()).map(({ op, out }) => `${op} ${out}`);
  expect(ops).toEqual(
    expect.arrayContaining([
      'key.destruction-failed failure',
      'key.destruction-decided success',
      'approval.used success',
      'key.wraps-ended success',
      'key.generation-destroyed success',
    ]),
  );
  // The token has the key no more, and whoever signs in still has theirs.
  await stage.stopKeys();
  await stage.startKeys();
  expect(await call(officers[0]!, 'key.status')).toMatchObject({ available: true, generation: 2 });
  await stage.person('late', 'reviewer');
}, 120_000);

test('counts the grant of nobody who lost the office, or may not sign in, when it is used', async () => {
  const subject = { generation: 2 };
  const act = 'key.destroy';
  const [proposer, staying, leaving] = officers as [Someone, Someone, Someone];
  const { id } = await stage.approvals.propose(act, subject, proposer);
  for (const by of [staying, leaving]) await stage.approvals.decide(id, { grant: true }, by);
  const { pool } = stage.db.database;
  const past = `UPDATE approval SET decided_at = decided_at - interval '25 hours' WHERE approval_id = $1`;
  await tamper(pool, 'approval', past, [id]);
  const { database, sealer } = stage.services;
  const use = () =>
    withEvents(database, sealer, [approvalUsed(id, systemActor)], async (client, [event]) => {
      await stage.approvals.use(client, { id, act, subject }, event!.id);
    });
  const refused = { code: 'approval.state', fields: { state: 'granted', standing: 1 } };
  const { name } = leaving.person;
  await stage.persons.remove(name, 'key-custodian', systemActor);
  await expect(use()).rejects.toMatchObject(refused);
  const again = await stage.persons.assign(name, 'key-custodian', systemActor);
  const disabled = await stage.persons.setState(again, 'disabled', systemActor);
  await expect(use()).rejects.toMatchObject(refused);
  await stage.persons.setState(disabled, 'active', systemActor);
  await expect(use()).resolves.toBeUndefined();
});
