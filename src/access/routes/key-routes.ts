// Routes of keys: what the key service says of itself, and the key generations. No key ever travels here.
import type { Committer } from '../../archive/committer/types.ts';
import { listErasures } from '../../archive/erased-records.store.ts';
import { destroyGeneration } from '../../archive/generations/key-destroy.ts';
import { rewrapKeys, rotateKeys } from '../../archive/generations/key-switch.ts';
import { PostsealError } from '../../kernel/errors.ts';
import type { EventId, OrganisationId } from '../../kernel/ids.ts';
import type { Actor } from '../../ledger/event/draft.ts';
import type { Pseudonyms } from '../../ledger/event/actor-keys.store.ts';
import type { EventSealer } from '../../ledger/event/event-sealer.ts';
import type { Log } from '../../platform/log/log.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { listGenerations, requireUnused } from '../../vault/keys/generation-list.store.ts';
import type { KeyClient } from '../../vault/keys/types.ts';
import { personActor, type PersonSession } from '../person-actor.ts';
import type { Role } from '../roles.ts';
import { approvalTable } from '../approval-table.ts';
import { type Approvals, approvalUsed } from '../approvals.ts';
import { noInput, objectSchema, type Route, route, uuidSchema } from './route.ts';

const mayLook: readonly Role[] = ['system-admin', 'security-admin', 'audit-admin', 'key-custodian'];

export interface KeyRoutesDeps {
  readonly keys: Pick<KeyClient, 'status' | 'inventory' | 'generation' | 'rewrap'>;
  readonly database: Database;
  readonly organisation: OrganisationId;
  readonly committer: Pick<Committer, 'record'>;
  readonly pseudonyms: Pick<Pseudonyms, 'of'>;
  readonly sealer: EventSealer;
  readonly log: Log;
  readonly approvals: Pick<Approvals, 'propose' | 'use'>;
  /** Days in which a retired generation stays. */
  readonly graceDays: number;
  /** What must be in the backup before a generation ends; undefined without one. */
  readonly beforeDestruction?: (() => Promise<void>) | undefined;
  /** When the oldest data backup that is kept was begun. */
  readonly oldestBackup?: (() => Promise<Date | undefined>) | undefined;
}

const wholeNumber = { type: 'string', pattern: '^[1-9]\\d{0,8}$', inWords: 'a whole number' };
const pageLength = {
  type: 'string',
  pattern: '^([1-9]\\d{0,2}|1000)$',
  inWords: 'a whole number from 1 to 1000',
};

/** Whoever runs the system or keeps its keys may put newer keys in the place of older ones; nothing ends by it. */
const mayRotate: readonly Role[] = ['system-admin', 'key-custodian'];

function actorOf(deps: KeyRoutesDeps, by: PersonSession | undefined): Actor {
  if (by === undefined) throw new PostsealError('access.signed-out');
  return personActor(deps.pseudonyms, by, mayRotate);
}

async function destroy(
  deps: KeyRoutesDeps,
  { generation, approval }: { generation: number; approval?: string },
  by: PersonSession | undefined,
): Promise<object> {
  if (by === undefined) throw new PostsealError('access.signed-out');
  const act = 'key.destroy';
  const { proposes, approves } = approvalTable[act];
  const subject = { generation };
  const all = await listGenerations(deps.database.pool, deps.organisation);
  const decided = all.some((one) => one.generation === generation && one.destroyingAt !== null);
  if (approval === undefined && !decided) {
    // What could not be carried out need not be decided.
    await requireUnused(deps.database.pool, deps.organisation, generation);
    return { proposed: await deps.approvals.propose(act, subject, by), approves };
  }
  const actor = personActor(deps.pseudonyms, by, proposes);
  const { graceDays } = deps;
  const asked = { generation, graceDays, actor };
  if (approval === undefined) return destroyGeneration(deps, asked);
  const use = (client: Parameters<Approvals['use']>[0], event: EventId): Promise<void> =>
    deps.approvals.use(client, { id: approval, act, subject }, event);
  const used = approvalUsed(approval, actor);
  return destroyGeneration(deps, { ...asked, approval: { used, use } });
}

function endRoutes(deps: KeyRoutesDeps): Route[] {
  return [
    route<{ generation: string; approval?: string }>({
      name: 'key.destroy',
      method: 'POST',
      path: '/keys/generations/:generation/destruction',
      summary: 'Destroy a retired key generation: proposes first, acts with the granted approval',
      access: approvalTable['key.destroy'].proposes,
      input: objectSchema({ generation: wholeNumber, approval: uuidSchema }, ['approval']),
      run: ({ input, by }) => destroy(deps, { ...input, generation: Number(input.generation) }, by),
    }),
    route<{ record?: string; limit?: string }>({
      name: 'key.erasures',
      method: 'GET',
      path: '/keys/erasures',
      summary: 'List erased records with the dates of their end: executed, keys replaced, final',
      access: ['dpo', 'records-manager', 'audit-admin', 'system-admin', 'key-custodian'],
      input: objectSchema({ record: uuidSchema, limit: pageLength }, ['record', 'limit']),
      run: async ({ input }) =>
        listErasures(deps.database.pool, {
          organisation: deps.organisation,
          record: input.record,
          limit: Number(input.limit ?? '100'),
          oldestBackup: await deps.oldestBackup?.(),
        }),
    }),
  ];
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
      name: 'key.inventory',
      method: 'GET',
      path: '/keys/inventory',
      summary: 'What lies in the token, by attributes alone, and what hangs under each generation',
      access: mayLook,
      input: noInput,
      run: async () => ({
        keys: await deps.keys.inventory(),
        generations: await listGenerations(deps.database.pool, deps.organisation),
      }),
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
    ...endRoutes(deps),
  ];
}
