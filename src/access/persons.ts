// Named persons: create them, give and take roles, set passwords. Each change and its event commit
// together; conflicting roles are refused under the person's row lock.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { PostsealError } from '../kernel/errors.ts';
import type { CustodianId, PersonId } from '../kernel/ids.ts';
import { Secret } from '../kernel/secret.ts';
import type { Pseudonyms } from '../ledger/event/actor-keys.store.ts';
import type { Actor } from '../ledger/event/draft.ts';
import type { EventSealer } from '../ledger/event/event-sealer.ts';
import { withEvents } from '../ledger/event/inbox.store.ts';
import type { Database } from '../platform/postgres/database.ts';
import type { KeyClient } from '../vault/keys/types.ts';
import { type Approvals, approvalUsed } from './approvals.ts';
import { type CredentialOwner, writeCredential } from './credential.store.ts';
import { hashPassword, oneTimePassword } from './password.ts';
import {
  countOtherHolders,
  endRole,
  findPerson,
  insertPerson,
  insertRole,
  listPersons,
  lockAllPersons,
  lockPerson,
  type Person,
  readPerson,
  setPersonState,
} from './person.store.ts';
import { deletePersonSessions } from './person-session.store.ts';
import { offices, type Role, roleConflicts } from './roles.ts';

export interface PersonsDeps {
  readonly database: Database;
  readonly sealer: EventSealer;
  readonly keys: Pick<KeyClient, 'ensureCustodian'>;
  readonly pseudonyms: Pseudonyms;
  readonly approvals: Pick<Approvals, 'use'>;
}

export interface NewPerson {
  readonly name: string;
  readonly fullName: string;
  readonly roles: readonly Role[];
  /** Made here unless it is given. */
  readonly oneTimePassword?: string;
}

export interface Persons {
  /**
   * Makes a person with a one-time password, which is returned and stored nowhere else.
   * @throws PostsealError `person.exists`, `person.name`, `role.conflict`.
   */
  create(
    input: NewPerson,
    actor: Actor,
  ): Promise<{ readonly person: Person; readonly oneTimePassword: string }>;
  list(): Promise<Person[]>;
  /** @throws PostsealError `person.unknown`. */
  find(name: string): Promise<Person>;
  byId(id: PersonId): Promise<Person | undefined>;
  /** @throws PostsealError `role.conflict`, `person.unknown`. */
  assign(name: string, role: Role, actor: Actor): Promise<Person>;
  /** @throws PostsealError `role.last-holder`, `person.unknown`. */
  remove(name: string, role: Role, actor: Actor): Promise<Person>;
  /**
   * Lets a person sign in no longer, or again; disabling ends every session. Roles stay as they are.
   * Nothing happens, and no event, if the person is in that state. @throws PostsealError `role.last-holder`.
   */
  setState(person: Person, state: Person['state'], actor: Actor): Promise<Person>;
  /** The person's own new password; ends every other session. */
  setPassword(person: Person, password: Secret, actor: Actor): Promise<void>;
  /** Four-eyes reset: a new one-time password under an approval that names this person. */
  reset(person: Person, approval: string, actor: Actor): Promise<string>;
}

const nameForm = /^[a-z0-9][a-z0-9._@-]{0,62}$/;

function refuseConflicts(roles: readonly Role[]): void {
  const [pair] = roleConflicts(roles);
  if (pair !== undefined) throw new PostsealError('role.conflict', { a: pair[0], b: pair[1] });
}

/** An administrator's role that nobody else could use is neither taken away nor shut out with its holder. */
async function refuseLastHolder(
  client: pg.ClientBase,
  person: PersonId,
  held: readonly Role[],
): Promise<void> {
  for (const role of held) {
    if (!offices.includes(role)) continue;
    if ((await countOtherHolders(client, { person, role })) === 0) {
      throw new PostsealError('role.last-holder', { role });
    }
  }
}

async function need(deps: PersonsDeps, name: string): Promise<Person> {
  const person = await findPerson(deps.database.pool, name);
  if (person === undefined) throw new PostsealError('person.unknown');
  return person;
}

async function createPerson(
  deps: PersonsDeps,
  input: NewPerson,
  actor: Actor,
): Promise<{ person: Person; oneTimePassword: string }> {
  const name = input.name.toLowerCase();
  if (!nameForm.test(name)) throw new PostsealError('person.name');
  refuseConflicts(input.roles);
  if ((await findPerson(deps.database.pool, name)) !== undefined) {
    throw new PostsealError('person.exists');
  }
  const id = randomUUID() as string as PersonId;
  const password = input.oneTimePassword ?? oneTimePassword();
  const hash = await hashOneTime(password);
  // A person's side records and pseudonym have keys of their own, so that they can be shredded alone.
  await deps.keys.ensureCustodian(id as string as CustodianId);
  await deps.pseudonyms.load(id);
  const about = { outcome: 'success', actor, objects: [{ t: 'per', id }] } as const;
  const drafts = [
    { op: 'person.created', ...about, personal: [{ slot: 'name', subject: id, value: name }] },
    ...input.roles.map((role) => ({ op: 'role.assigned', ...about, fields: { role } }) as const),
  ] as const;
  await withEvents(deps.database, deps.sealer, drafts, async (client, events) => {
    const [created, ...assigned] = events;
    if (created === undefined) throw new PostsealError('internal');
    const inserted = await insertPerson(client, { id, name, fullName: input.fullName }, created.id);
    // Somebody else was first since the look above.
    if (inserted === 0) throw new PostsealError('person.exists');
    const owner: CredentialOwner = { kind: 'person', id };
    await writeCredential(client, owner, { hash, mustChange: true }, created.id);
    for (const [i, role] of input.roles.entries()) {
      await insertRole(client, { person: id, role, event: assigned[i]?.id ?? created.id });
    }
  });
  return { person: await need(deps, name), oneTimePassword: password };
}

function hashOneTime(password: string): Promise<string> {
  return hashPassword(Secret.fromText(password));
}

async function changeRole(
  deps: PersonsDeps,
  input: { readonly name: string; readonly role: Role; readonly change: 'assign' | 'remove' },
  actor: Actor,
): Promise<Person> {
  const person = await need(deps, input.name);
  const { role, change } = input;
  const op = change === 'assign' ? 'role.assigned' : 'role.removed';
  const draft = {
    op,
    outcome: 'success',
    actor,
    objects: [{ t: 'per', id: person.id }],
    fields: { role },
  } as const;
  await withEvents(deps.database, deps.sealer, [draft], async (client, [event]) => {
    if (event === undefined) throw new PostsealError('internal');
    await (change === 'remove' ? lockAllPersons(client) : lockPerson(client, person.id));
    const now = await readPerson(client, person.id);
    if (now === undefined) throw new PostsealError('person.unknown');
    const holds = now.roles.includes(role);
    if (holds === (change === 'assign')) throw new PostsealError('role.unchanged', { role });
    if (change === 'remove') {
      if (now.state === 'active') await refuseLastHolder(client, person.id, [role]);
      await endRole(client, { person: person.id, role, event: event.id });
      return;
    }
    refuseConflicts([...now.roles, role]);
    await insertRole(client, { person: person.id, role, event: event.id });
  });
  return need(deps, input.name);
}

async function changeState(
  deps: PersonsDeps,
  input: { readonly person: Person; readonly state: Person['state'] },
  actor: Actor,
): Promise<Person> {
  const { person, state } = input;
  if (person.state === state) return person;
  const draft = {
    op: state === 'disabled' ? 'person.disabled' : 'person.enabled',
    outcome: 'success',
    actor,
    objects: [{ t: 'per', id: person.id }],
  } as const;
  await withEvents(deps.database, deps.sealer, [draft], async (client, [event]) => {
    if (event === undefined) throw new PostsealError('internal');
    if (state === 'disabled') {
      await lockAllPersons(client);
      const now = await readPerson(client, person.id);
      await refuseLastHolder(client, person.id, now?.roles ?? []);
    }
    const changed = await setPersonState(client, { person: person.id, state, event: event.id });
    // Somebody else was first since the look above.
    if (changed === 0) throw new PostsealError('store.conflict');
    if (state === 'disabled') await deletePersonSessions(client, person.id);
  });
  return need(deps, person.name);
}

async function replacePassword(
  deps: PersonsDeps,
  input: {
    readonly person: Person;
    readonly hash: string;
    readonly mustChange: boolean;
    readonly approval?: string;
  },
  actor: Actor,
): Promise<void> {
  const { person, hash, mustChange, approval } = input;
  const draft = {
    op: approval === undefined ? 'person.password-set' : 'person.reset',
    outcome: 'success',
    actor,
    objects: [
      { t: 'per', id: person.id },
      ...(approval === undefined ? [] : [{ t: 'apr', id: approval } as const]),
    ],
  } as const;
  const drafts = approval === undefined ? [draft] : [draft, approvalUsed(approval, actor)];
  await withEvents(deps.database, deps.sealer, drafts, async (client, [event, used]) => {
    if (event === undefined) throw new PostsealError('internal');
    if (approval !== undefined && used !== undefined) {
      const subject = { person: person.id };
      await deps.approvals.use(client, { id: approval, act: 'person.reset', subject }, used.id);
    }
    const owner: CredentialOwner = { kind: 'person', id: person.id };
    await writeCredential(client, owner, { hash, mustChange }, event.id);
    await deletePersonSessions(client, person.id);
  });
}

export function createPersons(deps: PersonsDeps): Persons {
  return {
    create: (input, actor) => createPerson(deps, input, actor),
    list: () => listPersons(deps.database.pool),
    find: (name) => need(deps, name),
    byId: (id) => readPerson(deps.database.pool, id),
    assign: (name, role, actor) => changeRole(deps, { name, role, change: 'assign' }, actor),
    remove: (name, role, actor) => changeRole(deps, { name, role, change: 'remove' }, actor),
    setState: (person, state, actor) => changeState(deps, { person, state }, actor),
    async setPassword(person, password, actor) {
      const hash = await hashPassword(password);
      await replacePassword(deps, { person, hash, mustChange: false }, actor);
    },
    async reset(person, approval, actor) {
      const password = oneTimePassword();
      const hash = await hashOneTime(password);
      await replacePassword(deps, { person, hash, mustChange: true, approval }, actor);
      return password;
    },
  };
}
