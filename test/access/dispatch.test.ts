// Every route of the server against every role and nobody: exactly the table's roles come to the
// handler, and every refusal is in the ledger. The real table, sessions and ledger; only the handlers are
// stood in for, since what they do is tested where they live.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createDispatch } from '../../src/access/routes/dispatch.ts';
import { objectSchema, type Route, route } from '../../src/access/routes/route.ts';
import { type Role, roles } from '../../src/access/roles.ts';
import { allRoutes, type RoutesDeps } from '../../src/app/routes.ts';
import { type ErrorCode, PostsealError } from '../../src/kernel/errors.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { systemActor } from '../../src/ledger/event/draft.ts';
import { type AccessStage, atSocket, openAccessStage } from './stage.ts';

let stage: AccessStage;
let table: readonly Route[];
const tokens = new Map<Role | 'no role', string>();
beforeAll(async () => {
  stage = await openAccessStage();
  const { services, persons, approvals } = stage;
  const deps = { services: { ...services, signIn: stage.signIn }, persons, approvals };
  // Making the table needs no more; no handler of these runs here.
  table = allRoutes(deps as Partial<RoutesDeps> as RoutesDeps);
  for (const role of roles) tokens.set(role, (await stage.person(`holds-${role}`, role)).token);
  tokens.set('no role', (await stage.person('holds-nothing')).token);
}, 60_000);
afterAll(() => stage.close());

/** The route with a handler that only tells that it was reached; any input fits. */
const reached = (found: Route): Route => ({
  ...found,
  input: { type: 'object' },
  run: () => Promise.resolve('reached'),
});

async function attempt(found: Route, token: string | undefined): Promise<string> {
  const dispatch = createDispatch({ ...stage.services, signIn: stage.signIn });
  try {
    return String(await dispatch(reached(found), { token, input: {}, ip: 'local' }));
  } catch (error) {
    if (!(error instanceof PostsealError)) throw error;
    return error.code;
  }
}

describe('the route table', () => {
  test('names every route and every request once', () => {
    expect(table.length).toBeGreaterThan(20);
    expect(new Set(table.map(({ name }) => name)).size).toBe(table.length);
    expect(new Set(table.map(({ method, path }) => `${method} ${path}`)).size).toBe(table.length);
  });

  test('every path parameter is a required member of the input, and no schema lets others in', () => {
    for (const { name, path, input } of table) {
      const parameters = [...path.matchAll(/:(\w+)/g)].map(([, parameter]) => parameter);
      expect([name, input['required']]).toEqual([name, expect.arrayContaining(parameters)]);
      expect([name, input['additionalProperties']]).toEqual([name, false]);
    }
  });

  test('every pattern of an input says in words what it asks for', () => {
    const wordless = table.flatMap(({ name, input }) =>
      Object.entries(input['properties'] as Record<string, Record<string, unknown>>)
        .filter(([, schema]) => 'pattern' in schema && typeof schema['inWords'] !== 'string')
        .map(([property]) => `${name} ${property}`),
    );
    expect(wordless).toEqual([]);
  });

  test('only signing in is open to anyone', () => {
    expect(table.filter(({ access }) => access === 'anyone').map(({ name }) => name)).toEqual([
      'person.login',
    ]);
  });

  test('no administrator reads the ledger, and the auditor changes nothing but approvals', () => {
    for (const { name, method, access } of table) {
      if (typeof access === 'string') continue;
      if (name.startsWith('ledger.')) expect([name, access]).toEqual([name, ['audit-admin']]);
      // The signature under a restore is the decision of an approval.
      if (method !== 'GET' && name !== 'approval.decide' && name !== 'restore.sign') {
        expect([name, access]).not.toEqual([name, expect.arrayContaining(['audit-admin'])]);
      }
    }
  });
});

test('all routes × all roles, no role and nobody: exactly the table’s roles come through', async () => {
  const wanted: string[] = [];
  const got: string[] = [];
  let refused = 0;
  const events = await stage.eventsOf(async () => {
    for (const found of table) {
      const { access, name } = found;
      for (const [role, token] of [...tokens, ['nobody', undefined] as const]) {
        const may =
          access === 'anyone' ||
          (role !== 'nobody' &&
            (access === 'signed-in' || (role !== 'no role' && access.includes(role))));
        const refusal = role === 'nobody' ? 'access.signed-out' : 'access.denied';
        wanted.push(`${name} ${role} ${may ? 'reached' : refusal}`);
        got.push(`${name} ${role} ${await attempt(found, token)}`);
        if (!may) refused += 1;
      }
    }
  });
  expect(got).toEqual(wanted);
  const denied = events.filter(({ op, out }) => op === 'access.denied' && out === 'denied');
  expect(denied).toHaveLength(refused);
  expect(events).toHaveLength(refused);
  const names = new Set(table.map(({ name }) => name));
  for (const { f, act, obj } of denied) {
    expect(names.has(String(f['route']))).toBe(true);
    expect(obj.map(({ t }) => t)).toEqual(act.p === 'unknown' ? [] : ['ses', 'per']);
  }
}, 120_000);

test('a token that is not one is nobody', async () => {
  const found = table.find(({ name }) => name === 'person.whoami');
  if (found === undefined) throw new Error('no route');
  for (const token of ['', 'x', '../../etc/passwd', 'é', '0'.repeat(10_000)]) {
    expect(await attempt(found, token)).toBe('access.signed-out');
  }
});

test('before the one-time password is changed, only changing it and leaving is possible', async () => {
  const { oneTimePassword } = await stage.persons.create(
    { name: 'newcomer', fullName: 'New', roles: ['security-admin', 'records-manager'] },
    systemActor,
  );
  const { token } = await stage.signIn.person(
    'newcomer',
    Secret.fromText(oneTimePassword),
    atSocket,
  );
  const open: string[] = [];
  const events = await stage.eventsOf(async () => {
    for (const found of table) {
      const answer = await attempt(found, token);
      if (answer === 'reached') open.push(found.name);
      else expect([found.name, answer]).toEqual([found.name, 'access.password-change']);
    }
  });
  expect(open.sort()).toEqual([
    'person.login',
    'person.logout',
    'person.password',
    'person.whoami',
  ]);
  expect(events).toHaveLength(table.length - open.length);
});

describe('input', () => {
  const probe = route<{ name: string }>({
    name: 'probe.run',
    method: 'POST',
    path: '/probe/:name',
    summary: 'Answers its input',
    access: ['dpo'],
    input: objectSchema({ name: { type: 'string', maxLength: 5 } }),
    run: ({ input }) => Promise.resolve(input.name),
  });
  const send = (input: unknown, role: Role = 'dpo') =>
    createDispatch({ ...stage.services, signIn: stage.signIn })(probe, {
      token: tokens.get(role),
      input,
      ip: 'local',
    });

  test.each([
    [{}, '/'],
    [{ name: 7 }, '/name'],
    [{ name: 'too long' }, '/name'],
    [{ name: 'ok', more: 1 }, '/more'],
    [null, '/'],
    ['text', '/'],
    [[], '/'],
  ])('%j is refused with its place', async (input, at) => {
    await expect(send(input)).rejects.toMatchObject({ code: 'usage', fields: { at } });
  });

  test('reaches the handler when it fits; who may not call learns nothing about it', async () => {
    expect(await send({ name: 'ok' })).toBe('ok');
    await expect(send({ name: 7 }, 'reviewer')).rejects.toMatchObject({ code: 'access.denied' });
  });

  test('a refusal that a handler finds out is in the ledger too; another failure is not one', async () => {
    const failing = (code: ErrorCode): Route => ({
      ...probe,
      run: () => Promise.reject(new PostsealError(code)),
    });
    const codes = [
      'access.denied',
      'approval.self',
      'approval.subject',
      'account.unknown',
    ] as const;
    const events = await stage.eventsOf(async () => {
      const dispatch = createDispatch({ ...stage.services, signIn: stage.signIn });
      for (const code of codes) {
        const request = { token: tokens.get('dpo'), input: { name: 'a' }, ip: 'local' };
        await expect(dispatch(failing(code), request)).rejects.toMatchObject({ code });
      }
    });
    expect(events.map(({ op, f }) => [op, f['reason']])).toEqual([
      ['access.denied', 'access.denied'],
      ['access.denied', 'approval.self'],
      ['access.denied', 'approval.subject'],
    ]);
  });
});
