// Routes of keys: what the key service says of itself, and the key generations. No key ever travels here.
import type { OrganisationId } from '../../kernel/ids.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { listGenerations } from '../../vault/keys/generation-list.store.ts';
import type { KeyClient } from '../../vault/keys/types.ts';
import type { Role } from '../roles.ts';
import { noInput, type Route, route } from './route.ts';

const mayLook: readonly Role[] = ['system-admin', 'security-admin', 'audit-admin', 'key-custodian'];

export interface KeyRoutesDeps {
  readonly keys: Pick<KeyClient, 'status'>;
  readonly database: Pick<Database, 'pool'>;
  readonly organisation: OrganisationId;
}

export function keyRoutes(deps: KeyRoutesDeps): readonly Route[] {
  return [
    route({
      name: 'key.status',
      method: 'GET',
      path: '/keys/status',
      summary: 'State of the key service and its token',
      access: mayLook,
      input: noInput,
      run: () => deps.keys.status(),
    }),
    route({
      name: 'key.generations',
      method: 'GET',
      path: '/keys/generations',
      summary: 'List key generations: their dates and what still hangs under each',
      access: mayLook,
      input: noInput,
      run: () => listGenerations(deps.database.pool, deps.organisation),
    }),
  ];
}
