// The password of an account opens its mail: the first one is set by whoever creates the account, every later
// one by a system administrator with the approval of a security administrator, through the routes.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createAccountCredentials } from '../../src/access/account-credentials.ts';
import type { PersonSession } from '../../src/access/person-actor.ts';
import { accountRoutes } from '../../src/access/routes/account-routes.ts';
import { createDispatch } from '../../src/access/routes/dispatch.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { type AccessStage, atSocket, openAccessStage } from './stage.ts';

type Someone = PersonSession & { readonly token: string };

let stage: AccessStage;
let system: Someone;
let security: Someone;
let audit: Someone;
beforeAll(async () => {
  stage = await openAccessStage();
  system = await stage.person('sys', 'system-admin');
  security = await stage.person('sec', 'security-admin');
  audit = await stage.person('aud', 'audit-admin');
}, 60_000);
afterAll(() => stage.close());

let ended = 0;
function call(by: Someone, route: string, input: object): Promise<unknown> {
  const { services, approvals, signIn, unlock } = stage;
  const credentials = createAccountCredentials({ ...services, approvals });
  const endSessions = (): Promise<number> => Promise.resolve((ended += 1));
  const routes = accountRoutes({ ...services, approvals, credentials, unlock, endSessions });
  const found = routes.find(({ name }) => name === route);
  if (found === undefined) throw new Error(`no route ${route}`);
  const dispatch = createDispatch({ ...services, signIn });
  return dispatch(found, { token: by.token, input, ip: 'local' });
}

const [first, second] = ['the first password of it', 'another password for it'];
const opens = async (name: string, password: string): Promise<boolean> => {
  const attempt = stage.signIn.account(name, Secret.fromText(password), atSocket);
  return attempt.then(
    () => true,
    () => false,
  );
};
const propose = async (name: string, by = system): Promise<string> => {
  const answer = await call(by, 'account.password', { name });
  return (answer as { proposed: { id: string } }).proposed.id;
};

describe('a new password of an account', () => {
  test('cannot be set by a system administrator alone, in no way', async () => {
    const name = 'ann@example.com';
    await call(system, 'account.create', { name, password: first });
    const set = (more: object): Promise<unknown> =>
      call(system, 'account.password', { name, password: second, ...more });
    const approval = await propose(name);
    await expect(set({})).rejects.toMatchObject({ code: 'usage' });
    await expect(call(system, 'account.password', { name, approval })).rejects.toMatchObject({
      code: 'usage',
    });
    await expect(set({ approval })).rejects.toMatchObject({ fields: { state: 'proposed' } });
    await expect(stage.approvals.decide(approval, { grant: true }, system)).rejects.toMatchObject({
      code: 'approval.self',
    });
    const another = await stage.person('sys2', 'system-admin');
    for (const by of [another, audit]) {
      await expect(stage.approvals.decide(approval, { grant: true }, by)).rejects.toMatchObject({
        code: 'access.denied',
      });
    }
    await expect(call(system, 'account.create', { name, password: second })).rejects.toMatchObject({
      code: 'account.exists',
    });
    expect([await opens(name, second), await opens(name, first)]).toEqual([false, true]);
    expect(ended).toBe(0);
  });

  test('is set by two: for this account, once, and both are in the ledger', async () => {
    const name = 'bob@example.com';
    await call(system, 'account.create', { name, password: first });
    await call(system, 'account.create', { name: 'other@example.com', password: first });
    const answer = await call(system, 'account.password', { name });
    expect(answer).toMatchObject({ approves: ['security-admin'], proposed: { state: 'proposed' } });
    const approval = (answer as { proposed: { id: string } }).proposed.id;
    await stage.approvals.decide(approval, { grant: true }, security);
    const input = { approval, password: second };
    await expect(
      call(system, 'account.password', { name: 'other@example.com', ...input }),
    ).rejects.toMatchObject({ code: 'approval.unknown' });
    const before = ended;
    const events = await stage.eventsOf(() => call(system, 'account.password', { name, ...input }));
    expect(ended).toBe(before + 1);
    const account = await stage.services.mailboxes.findAccount(name);
    expect(events.map(({ op, act, obj }) => [op, act.role, obj])).toEqual([
      [
        'account.password-set',
        'system-admin',
        [
          { t: 'acc', id: account?.id },
          { t: 'apr', id: approval },
        ],
      ],
      ['approval.used', 'system-admin', [{ t: 'apr', id: approval }]],
    ]);
    expect([await opens(name, first), await opens(name, second)]).toEqual([false, true]);
    await expect(call(system, 'account.password', { name, ...input })).rejects.toMatchObject({
      fields: { state: 'used' },
    });
  });

  test('a password that breaks the policy uses no approval up', async () => {
    const name = 'cat@example.com';
    await call(system, 'account.create', { name, password: first });
    const approval = await propose(name);
    await stage.approvals.decide(approval, { grant: true }, security);
    await expect(
      call(system, 'account.password', { name, approval, password: 'short' }),
    ).rejects.toMatchObject({ code: 'access.password-policy' });
    await call(system, 'account.password', { name, approval, password: second });
    expect(await opens(name, second)).toBe(true);
  });
});
