// Sessions of persons at the API. The token itself is never stored.
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { PersonId, SessionId } from '../kernel/ids.ts';
import { type Queryable, statement } from '../platform/postgres/statement.ts';

const insert = statement(
  'access.person-session.insert',
  `INSERT INTO public.person_session (token_hash, session_id, person_id, expires_at, first_start)
   VALUES ($1, $2, $3, now() + make_interval(secs => $4), $5)`,
);
const select = statement<{ session_id: string; person_id: string; first_start: boolean }>(
  'access.person-session.select',
  `SELECT session_id, person_id, first_start FROM public.person_session
    WHERE token_hash = $1 AND expires_at > now()`,
);
const remove = statement(
  'access.person-session.delete',
  'DELETE FROM public.person_session WHERE session_id = $1',
);
const removeAll = statement(
  'access.person-session.delete-all',
  'DELETE FROM public.person_session WHERE person_id = $1 OR expires_at <= now()',
);

const hashOf = (token: string): Buffer => createHash('sha256').update(token).digest();

export async function insertPersonSession(
  client: Queryable,
  input: {
    readonly token: string;
    readonly session: SessionId;
    readonly person: PersonId;
    readonly lifeSeconds: number;
    readonly firstStart: boolean;
  },
): Promise<void> {
  const { session, person, lifeSeconds, firstStart } = input;
  await insert.run(client, [hashOf(input.token), session, person, lifeSeconds, firstStart]);
}

export async function findPersonSession(
  client: Queryable,
  token: string,
): Promise<
  | { readonly session: SessionId; readonly person: PersonId; readonly firstStart: boolean }
  | undefined
> {
  const row = await select.first(client, [hashOf(token)]);
  if (row === undefined) return undefined;
  return {
    session: row.session_id as SessionId,
    person: row.person_id as PersonId,
    firstStart: row.first_start,
  };
}

export async function deletePersonSession(client: Queryable, session: SessionId): Promise<void> {
  await remove.run(client, [session]);
}

/** Ends every session of the person; also sweeps what has expired. */
export async function deletePersonSessions(client: pg.ClientBase, person: PersonId): Promise<void> {
  await removeAll.run(client, [person]);
}
