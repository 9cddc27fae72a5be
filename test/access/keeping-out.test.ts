// Who is kept out, and let in again: locked names are unlocked, persons disabled and enabled, through the
// routes as an administrator calls them.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { PersonSession } from '../../src/access/person-actor.ts';
import { accountRoutes } from '../../src/access/routes/account-routes.ts';
import { createDispatch } from '../../src/access/routes/dispatch.ts';
import { personRoutes } from '../../src/access/routes/person-routes.ts';
import { createAccountCredentials } from '../../src/access/account-credentials.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { type AccessStage, atSocket, openAccessStage, passwordOf } from './stage.ts';

type Someone = PersonSession & { readonly token: string };

let stage: AccessStage;
let security: Someone;
let system: Someone;
let audit: Someone;
beforeAll(async () => {
  stage = await openAccessStage();
  security = await stage.person('sec', 'security-admin');
  system = await stage.person('sys', 'system-admin');
  audit = await stage.person('aud', 'audit-admin');
}, 60_000);
afterAll(() => stage.close());

/** Calls a route as the command line does. */
function call(by: Someone, route: string, input: object): Promise<unknown> {
  const deps = { ...stage, ...stage.services, signIn: stage.signIn, unlock: stage.unlock };
  const credentials = createAccountCredentials({ ...stage.services, approvals: stage.approvals });
  const endSessions = (): Promise<number> => Promise.resolve(0);
  const routes = [...personRoutes(deps), ...accountRoutes({ ...deps, credentials, endSessions })];
  const found = routes.find(({ name }) => name === route);
  if (found === undefined) throw new Error(`no route ${route}`);
  return createDispatch({ ...stage.services, signIn: stage.signIn })(found, {
    token: by.token,
    input,
    ip: 'local',
  });
}

const signIn = (name: string): Promise<Someone> =>
  stage.signIn.person(name, Secret.fromText(passwordOf(name)), atSocket);
const wrong = (name: string): Promise<Someone> =>
  stage.signIn.person(name, Secret.fromText('not the password of it'), atSocket);
const denied = { code: 'access.denied' };

async function lock(name: string): Promise<void> {
  for (let i = 0; i < 3; i += 1) {
    await expect(wrong(name)).rejects.toMatchObject({ code: 'access.credentials' });
  }
  await expect(signIn(name)).rejects.toMatchObject({ code: 'access.locked' });
}

describe('unlocking', () => {
  test('lets a locked person in at once, everywhere, with an event; once is enough', async () => {
    const { person } = await stage.person('hasty', 'dpo');
    await lock('hasty');
    const events = await stage.eventsOf(async () => {
      expect(await call(security, 'person.unlock', { name: 'hasty' })).toMatchObject({
        name: 'hasty',
        unlocked: true,
      });
      expect(await call(security, 'person.unlock', { name: 'hasty' })).toMatchObject({
        unlocked: false,
      });
    });
    expect(events.map(({ op, act, obj }) => [op, act.role, obj])).toEqual([
      ['access.unlocked', 'security-admin', [{ t: 'per', id: person.id }]],
    ]);
    expect(stage.forgotten).toEqual([`person:${person.id}`]);
    await expect(signIn('hasty')).resolves.toBeDefined();
  });

  test('a system administrator unlocks accounts and security administrators, no other person', async () => {
    await stage.person('slip', 'dpo');
    await lock('slip');
    await expect(call(system, 'person.unlock', { name: 'slip' })).rejects.toMatchObject(denied);
    await expect(call(audit, 'person.unlock', { name: 'slip' })).rejects.toMatchObject(denied);
    await expect(signIn('slip')).rejects.toMatchObject({ code: 'access.locked' });
    await stage.person('sec2', 'security-admin');
    await lock('sec2');
    expect(await call(system, 'person.unlock', { name: 'sec2' })).toMatchObject({
      unlocked: true,
    });
    const password = 'the right password of ann';
    const { id } = await stage.account('ann@example.com', password);
    const at = { ip: '192.0.2.1', listener: 'imaps', tls: true, mechanism: 'PLAIN' } as const;
    const open = (text: string) =>
      stage.signIn.account('ann@example.com', Secret.fromText(text), at);
    for (let i = 0; i < 3; i += 1) await expect(open('wrong')).rejects.toBeDefined();
    await expect(open(password)).rejects.toMatchObject({ code: 'access.locked' });
    const events = await stage.eventsOf(async () => {
      await call(system, 'account.unlock', { name: 'ann@example.com' });
    });
    expect(events.map(({ op, act, obj }) => [op, act.role, obj])).toEqual([
      ['access.unlocked', 'system-admin', [{ t: 'acc', id }]],
    ]);
    await expect(open(password)).resolves.toBeDefined();
  });
});

describe('disabling a person', () => {
  test('ends every session and refuses the right password, until the person is enabled', async () => {
    const leaver = await stage.person('leaver', 'legal-officer');
    const { person } = leaver;
    const events = await stage.eventsOf(async () => {
      expect(await call(security, 'person.disable', { name: 'leaver' })).toMatchObject({
        state: 'disabled',
        roles: ['legal-officer'],
      });
      await call(security, 'person.disable', { name: 'leaver' });
      expect(await stage.signIn.personSession(leaver.token)).toBeUndefined();
      await expect(signIn('leaver')).rejects.toMatchObject({ code: 'access.credentials' });
      await call(security, 'person.enable', { name: 'leaver' });
      // The old session stays ended.
      expect(await stage.signIn.personSession(leaver.token)).toBeUndefined();
      await expect(signIn('leaver')).resolves.toBeDefined();
    });
    expect(events.map(({ op, obj }) => [op, obj[0]?.id === person.id])).toEqual([
      ['person.disabled', true],
      ['session.sign-in-failed', true],
      ['person.enabled', true],
      ['session.signed-in', false],
    ]);
  });

  test('is for security administrators, and never about oneself', async () => {
    await stage.person('victim', 'dpo');
    for (const by of [system, audit]) {
      await expect(call(by, 'person.disable', { name: 'victim' })).rejects.toMatchObject(denied);
    }
    await expect(call(security, 'person.disable', { name: 'sec' })).rejects.toMatchObject(denied);
    await expect(call(security, 'person.disable', { name: 'none' })).rejects.toMatchObject({
      code: 'person.unknown',
    });
    await expect(signIn('victim')).resolves.toBeDefined();
  });
});
