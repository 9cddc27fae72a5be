// Password hashes of accounts and persons.
import type pg from 'pg';
import type { AccountId, EventId, PersonId } from '../kernel/ids.ts';
import { type Queryable, statement } from '../platform/postgres/statement.ts';

export type CredentialOwner =
  | { readonly kind: 'account'; readonly id: AccountId }
  | { readonly kind: 'person'; readonly id: PersonId };

export interface Credential {
  /** argon2id in PHC form. */
  readonly hash: string;
  /** Set for one-time passwords: nothing but a new password is allowed until it is changed. */
  readonly mustChange: boolean;
}

const select = statement<{ hash: string; must_change: boolean }>(
  'access.credential.select',
  'SELECT hash, must_change FROM public.credential WHERE owner_kind = $1 AND owner_id = $2',
);
const upsert = statement(
  'access.credential.upsert',
  `INSERT INTO public.credential (owner_kind, owner_id, hash, must_change, event_id)
   VALUES ($1, $2, $3, $4, $5)
   ON CONFLICT (owner_kind, owner_id) DO UPDATE
   SET hash = excluded.hash, must_change = excluded.must_change, set_at = now(),
       event_id = excluded.event_id`,
);

export async function readCredential(
  client: Queryable,
  owner: CredentialOwner,
): Promise<Credential | undefined> {
  const row = await select.first(client, [owner.kind, owner.id]);
  return row === undefined ? undefined : { hash: row.hash, mustChange: row.must_change };
}

export async function writeCredential(
  client: pg.ClientBase,
  owner: CredentialOwner,
  credential: Credential,
  event: EventId,
): Promise<void> {
  const { hash, mustChange } = credential;
  await upsert.run(client, [owner.kind, owner.id, hash, mustChange, event]);
}
