// Rows of persons and their roles. Roles are ended, never deleted.
import type pg from 'pg';
import type { EventId, PersonId } from '../kernel/ids.ts';
import { type Queryable, statement } from '../platform/postgres/statement.ts';
import { isRole, type Role } from './roles.ts';

export interface Person {
  readonly id: PersonId;
  /** Lower case, what one signs in with. */
  readonly name: string;
  readonly fullName: string;
  readonly state: 'active' | 'disabled';
  readonly roles: readonly Role[];
}

interface Row extends pg.QueryResultRow {
  readonly person_id: string;
  readonly name: string;
  readonly full_name: string;
  readonly state: 'active' | 'disabled';
  readonly roles: string[];
}

const columns = `p.person_id, p.name, p.full_name, p.state, coalesce((
  SELECT array_agg(r.role ORDER BY r.role) FROM public.role_assignment r
   WHERE r.person_id = p.person_id AND r.active), '{}') AS roles`;
const byName = statement<Row>(
  'access.person.by-name',
  `SELECT ${columns} FROM public.person p WHERE p.name = lower($1)`,
);
const byId = statement<Row>(
  'access.person.by-id',
  `SELECT ${columns} FROM public.person p WHERE p.person_id = $1`,
);
const all = statement<Row>(
  'access.person.all',
  `SELECT ${columns} FROM public.person p ORDER BY p.name`,
);
const insert = statement(
  'access.person.insert',
  `INSERT INTO public.person (person_id, name, full_name, state, event_id)
   VALUES ($1, lower($2), $3, 'active', $4) ON CONFLICT (name) DO NOTHING`,
);
const setState = statement(
  'access.person.state',
  'UPDATE public.person SET state = $2, event_id = $3 WHERE person_id = $1 AND state <> $2',
);
const lock = statement(
  'access.person.lock',
  'SELECT 1 FROM public.person WHERE person_id = $1 FOR UPDATE',
);
const lockAll = statement(
  'access.person.lock-all',
  'SELECT 1 FROM public.person ORDER BY person_id FOR NO KEY UPDATE',
);
const others = statement<{ count: number }>(
  'access.role.other-holders',
  `SELECT count(*)::int AS count
     FROM public.role_assignment r JOIN public.person p USING (person_id)
    WHERE r.role = $1 AND r.active AND p.state = 'active' AND p.person_id <> $2`,
);
const assign = statement(
  'access.role.assign',
  `INSERT INTO public.role_assignment (assignment_id, person_id, role, active, event_id)
   VALUES (gen_random_uuid(), $1, $2, true, $3)`,
);
const remove = statement(
  'access.role.remove',
  `UPDATE public.role_assignment SET active = false, removed_at = now(), event_id = $3
    WHERE person_id = $1 AND role = $2 AND active`,
);

function toPerson(row: Row | undefined): Person | undefined {
  if (row === undefined) return undefined;
  return {
    id: row.person_id as PersonId,
    name: row.name,
    fullName: row.full_name,
    state: row.state,
    roles: row.roles.filter(isRole),
  };
}

export async function findPerson(client: Queryable, name: string): Promise<Person | undefined> {
  return toPerson(await byName.first(client, [name]));
}

export async function readPerson(client: Queryable, id: PersonId): Promise<Person | undefined> {
  return toPerson(await byId.first(client, [id]));
}

export async function listPersons(client: Queryable): Promise<Person[]> {
  return (await all.rows(client)).flatMap((row) => toPerson(row) ?? []);
}

/** Number of persons made: 0 if the name is taken. */
export async function insertPerson(
  client: pg.ClientBase,
  person: Pick<Person, 'id' | 'name' | 'fullName'>,
  event: EventId,
): Promise<number> {
  return insert.run(client, [person.id, person.name, person.fullName, event]);
}

/** Number of persons changed: 0 if the person was in that state already. */
export async function setPersonState(
  client: pg.ClientBase,
  input: { readonly person: PersonId; readonly state: Person['state']; readonly event: EventId },
): Promise<number> {
  return setState.run(client, [input.person, input.state, input.event]);
}

/** Serialises changes of one person's roles, so that two half conflicts cannot pass each other. */
export async function lockPerson(client: pg.ClientBase, id: PersonId): Promise<void> {
  await lock.run(client, [id]);
}

/** Serialises what may take an office from its last holder, whoever that is; before any other lock. */
export async function lockAllPersons(client: pg.ClientBase): Promise<void> {
  await lockAll.run(client);
}

/** How many other persons who may sign in hold the role. */
export async function countOtherHolders(
  client: pg.ClientBase,
  input: { readonly person: PersonId; readonly role: Role },
): Promise<number> {
  return (await others.first(client, [input.role, input.person]))?.count ?? 0;
}

export async function insertRole(
  client: pg.ClientBase,
  input: { readonly person: PersonId; readonly role: Role; readonly event: EventId },
): Promise<void> {
  await assign.run(client, [input.person, input.role, input.event]);
}

/** Number of roles ended: 0 or 1. */
export async function endRole(
  client: pg.ClientBase,
  input: { readonly person: PersonId; readonly role: Role; readonly event: EventId },
): Promise<number> {
  return remove.run(client, [input.person, input.role, input.event]);
}
