// A signed-in person as the ledger sees it: a pseudonym, the role in which the act is done, a session.
import type { PersonId, SessionId } from '../kernel/ids.ts';
import type { Pseudonyms } from '../ledger/event/actor-keys.store.ts';
import type { Actor } from '../ledger/event/draft.ts';
import type { Person } from './person.store.ts';
import type { Role } from './roles.ts';

export interface PersonSession {
  readonly session: SessionId;
  readonly person: Person;
  /** A one-time password was used: only a new password may be set. */
  readonly mustChange: boolean;
}

/** The actor of an act that `allowed` roles may do; the first role that the person holds is named. */
export function personActor(
  pseudonyms: Pick<Pseudonyms, 'of'>,
  by: { readonly person: Person; readonly session: SessionId },
  allowed: readonly Role[] = by.person.roles,
): Actor {
  const role = by.person.roles.find((held) => allowed.includes(held)) ?? 'person';
  return {
    role,
    p: pseudonyms.of(by.person.id satisfies PersonId),
    auth: 'password',
    session: by.session,
  };
}
