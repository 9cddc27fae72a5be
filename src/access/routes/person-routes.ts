// Routes of persons: sign in and out, create, list, roles, passwords, four-eyes reset, keeping out.
import { PostsealError } from '../../kernel/errors.ts';
import { Secret } from '../../kernel/secret.ts';
import type { Pseudonyms } from '../../ledger/event/actor-keys.store.ts';
import { approvalTable } from '../approval-table.ts';
import type { Approvals } from '../approvals.ts';
import { personActor, type PersonSession } from '../person-actor.ts';
import type { Person } from '../person.store.ts';
import type { Persons } from '../persons.ts';
import { type Role, roles } from '../roles.ts';
import type { SignIn } from '../sign-in.ts';
import type { Unlock } from '../unlock.ts';
import { noInput, objectSchema, type Route, route, uuidSchema } from './route.ts';

export interface PersonRoutesDeps {
  readonly persons: Persons;
  readonly approvals: Approvals;
  readonly signIn: SignIn;
  readonly pseudonyms: Pseudonyms;
  readonly unlock: Unlock;
}

const text = { type: 'string', minLength: 1, maxLength: 1024 };
const roleSchema = { type: 'string', enum: [...roles] };

/** The system administrator resets and unlocks a security administrator only; all others are the latter's. */
function requireResetter(person: Person, by: PersonSession): void {
  const may = by.person.roles.includes('security-admin') || person.roles.includes('security-admin');
  if (!may) throw new PostsealError('access.denied', { needs: 'security-admin' });
}

function signedIn(by: PersonSession | undefined): PersonSession {
  if (by === undefined) throw new PostsealError('access.signed-out');
  return by;
}

const shown = ({ id, name, fullName, state, roles: held }: Person): object => ({
  id,
  name,
  fullName,
  state,
  roles: held,
});

function sessionRoutes(deps: PersonRoutesDeps): Route[] {
  return [
    route<{ name: string; password: string }>({
      name: 'person.login',
      method: 'POST',
      path: '/sessions',
      summary: 'Sign a person in',
      access: 'anyone',
      input: objectSchema({ name: text, password: text }),
      async run({ input, ip }) {
        const context = { ip, listener: 'api', tls: false, mechanism: 'password' } as const;
        const password = Secret.fromText(input.password);
        const session = await deps.signIn.person(input.name, password, context);
        return { ...shown(session.person), token: session.token, mustChange: session.mustChange };
      },
    }),
    route({
      name: 'person.logout',
      method: 'DELETE',
      path: '/sessions/current',
      summary: 'End this session',
      access: 'signed-in',
      beforePasswordChange: true,
      input: noInput,
      async run({ by }) {
        await deps.signIn.personSignOut(signedIn(by));
        return { ended: true };
      },
    }),
    route({
      name: 'person.whoami',
      method: 'GET',
      path: '/sessions/current',
      summary: 'Who is signed in',
      access: 'signed-in',
      beforePasswordChange: true,
      input: noInput,
      run: ({ by }) => {
        const session = signedIn(by);
        return Promise.resolve({ ...shown(session.person), mustChange: session.mustChange });
      },
    }),
    route<{ password: string }>({
      name: 'person.password',
      method: 'POST',
      path: '/persons/current/password',
      summary: 'Set your own password; every session of yours ends',
      access: 'signed-in',
      beforePasswordChange: true,
      input: objectSchema({ password: text }),
      async run({ input, by }) {
        const session = signedIn(by);
        const actor = personActor(deps.pseudonyms, session);
        await deps.persons.setPassword(session.person, Secret.fromText(input.password), actor);
        return { changed: true };
      },
    }),
  ];
}

function administrationRoutes(deps: PersonRoutesDeps): Route[] {
  const actorOf = (by: PersonSession | undefined) =>
    personActor(deps.pseudonyms, signedIn(by), ['security-admin']);
  return [
    route<{ name: string; fullName: string; roles: Role[] }>({
      name: 'person.create',
      method: 'POST',
      path: '/persons',
      summary: 'Create a named person with a one-time password',
      access: ['security-admin'],
      input: objectSchema({
        name: text,
        fullName: text,
        roles: { type: 'array', items: roleSchema, uniqueItems: true },
      }),
      async run({ input, by }) {
        const made = await deps.persons.create(input, actorOf(by));
        return { ...shown(made.person), oneTimePassword: made.oneTimePassword };
      },
    }),
    route({
      name: 'person.list',
      method: 'GET',
      path: '/persons',
      summary: 'List persons and their roles',
      access: ['security-admin', 'system-admin', 'audit-admin'],
      input: noInput,
      run: async () => (await deps.persons.list()).map(shown),
    }),
    route<{ name: string; role: Role; change: 'assign' | 'remove' }>({
      name: 'person.role',
      method: 'POST',
      path: '/persons/:name/roles',
      summary: 'Give a role to a person or take it away',
      access: ['security-admin'],
      input: objectSchema({
        name: text,
        role: roleSchema,
        change: { type: 'string', enum: ['assign', 'remove'] },
      }),
      run: async ({ input, by }) =>
        shown(await deps.persons[input.change](input.name, input.role, actorOf(by))),
    }),
    route<{ name: string; approval?: string }>({
      name: 'person.reset',
      method: 'POST',
      path: '/persons/:name/reset',
      summary: 'Reset a password: proposes first, acts with the granted approval',
      access: approvalTable['person.reset'].proposes,
      input: objectSchema({ name: text, approval: uuidSchema }, ['approval']),
      async run({ input, by }) {
        const person = await deps.persons.find(input.name);
        requireResetter(person, signedIn(by));
        if (input.approval === undefined) {
          const subject = { person: person.id };
          return { proposed: await deps.approvals.propose('person.reset', subject, signedIn(by)) };
        }
        const actor = personActor(
          deps.pseudonyms,
          signedIn(by),
          approvalTable['person.reset'].proposes,
        );
        const password = await deps.persons.reset(person, input.approval, actor);
        return { ...shown(person), oneTimePassword: password };
      },
    }),
  ];
}

function stateRoute(
  deps: PersonRoutesDeps,
  of: { readonly verb: 'disable' | 'enable'; readonly summary: string },
): Route {
  return route<{ name: string }>({
    name: `person.${of.verb}`,
    method: 'POST',
    path: `/persons/:name/${of.verb}`,
    summary: of.summary,
    access: ['security-admin'],
    input: objectSchema({ name: text }),
    async run({ input, by }) {
      const session = signedIn(by);
      const person = await deps.persons.find(input.name);
      // Whoever disables somebody is still there afterwards to undo it.
      if (person.id === session.person.id) {
        throw new PostsealError('access.denied', { needs: 'another security-admin' });
      }
      const actor = personActor(deps.pseudonyms, session, ['security-admin']);
      const state = of.verb === 'disable' ? 'disabled' : 'active';
      return shown(await deps.persons.setState(person, state, actor));
    },
  });
}

function keepingOutRoutes(deps: PersonRoutesDeps): Route[] {
  const access = approvalTable['person.reset'].proposes;
  return [
    stateRoute(deps, { verb: 'disable', summary: 'Let a person sign in no longer; roles stay' }),
    stateRoute(deps, { verb: 'enable', summary: 'Let a disabled person sign in again' }),
    route<{ name: string }>({
      name: 'person.unlock',
      method: 'POST',
      path: '/persons/:name/unlock',
      summary: 'Let a person try again whom failed sign-ins have locked',
      access,
      input: objectSchema({ name: text }),
      async run({ input, by }) {
        const person = await deps.persons.find(input.name);
        requireResetter(person, signedIn(by));
        const actor = personActor(deps.pseudonyms, signedIn(by), access);
        const unlocked = await deps.unlock({ kind: 'person', id: person.id }, actor);
        return { ...shown(person), unlocked };
      },
    }),
  ];
}

export function personRoutes(deps: PersonRoutesDeps): readonly Route[] {
  return [...sessionRoutes(deps), ...administrationRoutes(deps), ...keepingOutRoutes(deps)];
}
