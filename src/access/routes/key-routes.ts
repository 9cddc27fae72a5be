// Routes of keys: what the key service says of itself. No key ever travels here.
import type { KeyClient } from '../../vault/keys/types.ts';
import { noInput, type Route, route } from './route.ts';

export function keyRoutes(deps: { readonly keys: Pick<KeyClient, 'status'> }): readonly Route[] {
  return [
    route({
      name: 'key.status',
      method: 'GET',
      path: '/keys/status',
      summary: 'State of the key service and its token',
      access: ['system-admin', 'security-admin', 'audit-admin', 'key-custodian'],
      input: noInput,
      run: () => deps.keys.status(),
    }),
  ];
}
