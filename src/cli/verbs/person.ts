// Commands about persons: sign in and out, create, roles, passwords, keeping out.
import { exitCode, PostsealError } from '../../kernel/errors.ts';
import { type CliCall, passwordStdin, type Verb } from '../verb.ts';

const columns = ['name', 'fullName', 'state', 'roles'];
const name = { name: 'NAME', text: 'name of the person' };

async function print(
  call: CliCall,
  answer: Promise<unknown>,
  extra: readonly string[] = [],
): Promise<0> {
  call.out.item((await answer) as object, [...columns, ...extra]);
  return exitCode.done;
}

const login: Verb = {
  noun: 'person',
  verb: 'login',
  summary: 'Sign in; later commands in this home act as this person',
  arguments: [name],
  options: passwordStdin,
  async run(call) {
    const json = { name: call.args[0], password: await call.readPassword('own', call.args[0]) };
    const request = { method: 'POST', path: '/sessions', json, anonymous: true } as const;
    const answer = await call.api.call(request);
    const { token, ...person } = answer as { token: string; name: string; mustChange: boolean };
    call.session.save(person.name, token);
    if (person.mustChange)
      call.out.note('this is a one-time password: run postseal person password');
    call.out.item(person, columns);
    return exitCode.done;
  },
};

const logout: Verb = {
  noun: 'person',
  verb: 'logout',
  summary: 'End the session of this home',
  async run(call) {
    await call.api.call({ method: 'DELETE', path: '/sessions/current' });
    call.session.forget();
    call.out.result({ ended: true }, ['signed out']);
    return exitCode.done;
  },
};

const password: Verb = {
  noun: 'person',
  verb: 'password',
  summary: 'Set your own password; sign in again afterwards',
  options: passwordStdin,
  async run(call) {
    const json = { password: await call.readPassword('new', call.session.person()) };
    await call.api.call({ method: 'POST', path: '/persons/current/password', json });
    call.session.forget();
    call.out.result({ changed: true }, ['password changed; sign in again']);
    return exitCode.done;
  },
};

const administration: readonly Verb[] = [
  {
    noun: 'person',
    verb: 'create',
    summary: 'Create a named person; prints the one-time password once',
    arguments: [name],
    options: {
      'full-name': { type: 'string', text: 'name for reports', value: 'TEXT', required: true },
      role: { type: 'string', text: 'a role; may be repeated', value: 'ROLE', many: true },
    },
    run: (call) => {
      const json = {
        name: call.args[0],
        fullName: call.option('full-name'),
        roles: call.options('role'),
      };
      return print(call, call.api.call({ method: 'POST', path: '/persons', json }), [
        'oneTimePassword',
      ]);
    },
  },
  {
    noun: 'person',
    verb: 'list',
    summary: 'List persons and their roles',
    async run({ api, out }) {
      const rows = await api.call({ method: 'GET', path: '/persons' });
      out.table(rows as object[], [...columns, 'id']);
      return exitCode.done;
    },
  },
  {
    noun: 'person',
    verb: 'role',
    summary: 'Give a role to a person, or take it away',
    arguments: [name, { name: 'ROLE', text: 'the role' }],
    options: { remove: { type: 'boolean', text: 'take the role away' } },
    run: (call) => {
      const path = `/persons/${encodeURIComponent(call.args[0] ?? '')}/roles`;
      const json = { role: call.args[1], change: call.flag('remove') ? 'remove' : 'assign' };
      return print(call, call.api.call({ method: 'POST', path, json }));
    },
  },
  {
    noun: 'person',
    verb: 'reset',
    summary: 'Reset a password with four eyes: first proposes, then acts with --approval',
    arguments: [name],
    options: { approval: { type: 'string', text: 'the granted approval', value: 'ID' } },
    async run(call) {
      const approval = call.option('approval');
      const path = `/persons/${encodeURIComponent(call.args[0] ?? '')}/reset`;
      const json = approval === undefined ? {} : { approval };
      const answer = await call.api.call({ method: 'POST', path, json });
      if (typeof answer !== 'object' || answer === null) throw new PostsealError('internal');
      if (!('proposed' in answer)) return print(call, Promise.resolve(answer), ['oneTimePassword']);
      const { id } = answer.proposed as { id: string };
      call.out.result(answer, [
        `proposed ${id}`,
        `another administrator grants it: postseal approval grant ${id}`,
      ]);
      return exitCode.done;
    },
  },
];

const act = (call: CliCall, what: string): Promise<unknown> => {
  const path = `/persons/${encodeURIComponent(call.args[0] ?? '')}/${what}`;
  return call.api.call({ method: 'POST', path, json: {} });
};

const keepingOut: readonly Verb[] = [
  {
    noun: 'person',
    verb: 'disable',
    summary: 'Let a person sign in no longer; roles stay',
    arguments: [name],
    run: (call) => print(call, act(call, 'disable')),
  },
  {
    noun: 'person',
    verb: 'enable',
    summary: 'Let a disabled person sign in again',
    arguments: [name],
    run: (call) => print(call, act(call, 'enable')),
  },
  {
    noun: 'person',
    verb: 'unlock',
    summary: 'Let a person try again whom failed sign-ins have locked',
    arguments: [name],
    run: (call) => print(call, act(call, 'unlock'), ['unlocked']),
  },
];

export const personVerbs: readonly Verb[] = [
  login,
  logout,
  password,
  ...administration,
  ...keepingOut,
];
