// Routes of keys: what the key service says of itself, and the key generations. No key ever travels here.
import type { Committer } from '../../archive/committer/types.ts';
import { rewrapKeys, rotateKeys } from '../../archive/generations/key-switch.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { OrganisationId } from '../../kernel/ids.ts';
import type { Actor } from '../../ledger/event/draft.ts';
import type { Pseudonyms } from '../../ledger/event/actor-keys.store.ts';
import type { EventSealer } from '../../ledger/event/event-sealer.ts';
import type { Log } from '../../platform/log/log.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { listGenerations } from '../../vault/keys/generation-list.store.ts';
import type { KeyClient } from '../../vault/keys/types.ts';
import { personActor, type PersonSession } from '../person-actor.ts';
import type { Role } from '../roles.ts';
import { noInput, type Route, route } from './route.ts';

const mayLook: readonly Role[] = ['system-admin', 'security-admin', 'audit-admin', 'key-custodian'];

export interface KeyRoutesDeps {
  readonly keys: Pick<KeyClient, 'status' | 'generation' | 'rewrap'>;
  readonly database: Database;
  readonly organisation: OrganisationId;
  readonly committer: Pick<Committer, 'record'>;
  readonly pseudonyms: Pick<Pseudonyms, 'of'>;
  readonly sealer: EventSealer;
  readonly log: Log;
}

/** Whoever runs the system or keeps its keys may put newer keys in the place of older ones; nothing ends by it. */
const mayRotate: readonly Role[] = ['system-admin', 'key-custodian'];

function actorOf(deps: KeyRoutesDeps, by: PersonSession | undefined): Actor {
  if (by === undefined) throw new PostsealError('access.signed-out');
  return personActor(deps.pseudonyms, by, mayRotate);
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
    route({
      name: 'key.rotate',
      method: 'POST',
      path: '/keys/generations',
      summary: 'Make the next key generation, and new keys where something was erased',
      access: mayRotate,
      input: noInput,
      run: ({ by }) => rotateKeys(deps, actorOf(deps, by)),
    }),
    route({
      name: 'key.rewrap',
      method: 'POST',
      path: '/keys/rewrap',
      summary:
        'Move all that is left under the live key generation; may be ended and repeated at any time',
      access: mayRotate,
      input: noInput,
      run: ({ by }) => Promise.resolve(rewrapKeys(deps, actorOf(deps, by))),
    }),
  ];
}
