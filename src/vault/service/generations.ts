// The key service's part of a switch of key generations: makes the next KEK inside the token, and moves
// custodians under it in small batches. Each batch is one transaction with its events; whatever was committed
// stays, and a repeated step goes on behind it. Keys are open only within one batch.
import { randomBytes } from 'node:crypto';
import { IntegrityError, PostsealError } from '../../kernel/errors.ts';
import type { CustodianId, EventId } from '../../kernel/ids.ts';
import { type EventDraft, systemActor } from '../../ledger/event/draft.ts';
import { readEvents, withEvents } from '../../ledger/event/inbox.store.ts';
import { assertLease } from '../../platform/jobs/lease.store.ts';
import type {
  GenerationAnswers,
  GenerationStep,
  Moved,
  WrappedStateKey,
} from '../keys/generation-steps.ts';
import { grantAgeMsMax, grantAheadMsMax } from '../keys/grant-rules.ts';
import { bury, destroy, prove } from './end-generation.ts';
import {
  type MovedRows,
  nextToMove,
  readLiveGroups,
  retireGeneration,
  writeMoved,
} from './generation-rows.store.ts';
import { parseGrantedEvent } from './granted-event.ts';
import {
  addGeneration,
  addOrganisationKey,
  readCustodianKeys,
  readGenerations,
} from './key-rows.store.ts';
import type { KeyTree } from './key-tree.ts';
import { type CustodianMove, planMove } from './move-custodian.ts';
import { keysOfNewGeneration, newKeyId, type RootDeps, type RootKeys } from './root-keys.ts';

export interface GenerationsDeps extends RootDeps {
  readonly root: RootKeys;
  readonly tree: KeyTree;
  /** Unix milliseconds. */
  readonly now: () => number;
}

type Answer<K extends GenerationStep['do']> = Promise<GenerationAnswers[K]>;
type StepOf<K extends GenerationStep['do']> = Extract<GenerationStep, { do: K }>;

/** New keys that one event names, so that it stays well below 16 KiB. */
const keysPerEvent = 100;

const steps: {
  readonly [K in GenerationStep['do']]: (deps: GenerationsDeps, step: StepOf<K>) => Answer<K>;
} = {
  begin,
  move: (deps, step) => deps.tree.alone(() => move(deps, step)),
  prove: (deps, step) => deps.tree.alone(() => prove(deps, step)),
  bury: (deps, step) => deps.tree.alone(() => bury(deps, step)),
  destroy: (deps, step) => deps.tree.alone(() => destroy(deps, step)),
  'state-key': stateKey,
  forget: ({ tree }, { custodians }) => {
    tree.forget(new Set(custodians));
    return Promise.resolve({});
  },
};

/** Runs one step. @throws PostsealError as the step says. */
export function runGenerationStep(
  deps: GenerationsDeps,
  step: GenerationStep,
): Promise<GenerationAnswers[GenerationStep['do']]> {
  const run = steps[step.do] as
    ((deps: GenerationsDeps, step: GenerationStep) => Answer<GenerationStep['do']>) | undefined;
  if (run === undefined) throw new PostsealError('key.refused', { reason: 'step' });
  return run(deps, step);
}

async function begin(
  deps: GenerationsDeps,
  { from, order }: StepOf<'begin'>,
): Promise<GenerationAnswers['begin']> {
  const { database, organisation, store, sealer, root } = deps;
  const next = from + 1;
  const known = await readGenerations(database.pool, organisation);
  // Asked again after an answer that was lost on its way.
  if (known.some(({ generation }) => generation >= next)) {
    await root.refresh();
    return { generation: root.generation };
  }
  await requireOrder(deps, order);
  const kek = await store.ensureKek(next);
  const fresh = keysOfNewGeneration(deps, next, kek.id);
  const { id, version, key } = root.dedup();
  try {
    const row = await fresh.wrap('dedup', organisation, { id, version, key });
    // A KEK that does not open again what it wrapped must never live.
    const proof = await fresh.unwrap('dedup', [row]);
    const same = proof.equals(key);
    proof.fill(0);
    if (!same) throw new PostsealError('key.token', { reason: 'wrap', key: kek.id });
    await withEvents(database, sealer, [begun(deps, next, order, id)], async (client, [event]) => {
      if (event === undefined) throw new PostsealError('internal');
      await retireGeneration(client, { organisation, from, dedupKeyId: id }, event.id);
      const names = { kekLabel: kek.id, storeKind: store.kind, tokenClass: store.tokenClass };
      const generation = { organisationId: organisation, generation: next, ...names };
      await addGeneration(client, generation, event.id);
      await addOrganisationKey(client, 'dedup', row, event.id);
    });
  } finally {
    key.fill(0);
  }
  await root.refresh();
  return { generation: next };
}

function begun(deps: GenerationsDeps, generation: number, order: EventId, key: string): EventDraft {
  const { organisation, store } = deps;
  return {
    op: 'key.generation-begun',
    outcome: 'success',
    actor: systemActor,
    objects: [
      { t: 'org', id: organisation },
      { t: 'key', id: key },
    ],
    fields: { generation, order, store: store.kind, tokenClass: store.tokenClass },
  };
}

/** Nobody makes a KEK but by an order that is in the ledger. @throws PostsealError `key.refused`. */
async function requireOrder(deps: GenerationsDeps, order: EventId): Promise<void> {
  const body = (await readEvents(deps.database.pool, [order])).get(order);
  const event = body === undefined ? undefined : parseGrantedEvent(order, body);
  if (event === undefined) throw new PostsealError('key.refused', { reason: 'missing' });
  if (event.operation !== 'key.rotation-ordered' || !event.succeeded) {
    throw new PostsealError('key.refused', { reason: 'operation' });
  }
  const age = deps.now() - event.at;
  if (!(age <= grantAgeMsMax && -age <= grantAheadMsMax)) {
    throw new PostsealError('key.refused', { reason: 'expired' });
  }
}

async function stateKey({ root, organisation }: GenerationsDeps): Promise<WrappedStateKey> {
  // Under the live generation of the tables: a file under an older one would end with that.
  await root.refresh();
  const key = randomBytes(32);
  try {
    const fresh = { id: newKeyId(), version: 1, key };
    const row = await root.wrap('key-state', organisation, fresh);
    const { keyId, generation, wrap } = row;
    if (wrap === undefined) throw new PostsealError('internal');
    // An old generation ends because this file is there: that the token opens it again is seen before.
    const opened = await root.unwrap('key-state', [row]);
    const same = opened.equals(key);
    opened.fill(0);
    if (!same) throw new IntegrityError('integrity.tag', { kind: 'key-state' });
    return { keyId, generation, key: key.toString('base64'), wrap: wrap.toString('base64') };
  } finally {
    key.fill(0);
  }
}

async function move(deps: GenerationsDeps, step: StepOf<'move'>): Promise<Moved> {
  const { database, organisation, root, sealer, tree } = deps;
  const { after, limit, marked, lease } = step;
  // Another key service, or one before a restore, may have begun a generation that this one has not heard of.
  await root.refresh();
  const asked = { organisation, generation: root.generation, after, marked, limit };
  const custodians = await nextToMove(database.pool, asked);
  const next = custodians.length < limit ? undefined : custodians.at(-1);
  const { moves, failed } = await planAll(deps, custodians);
  if (moves.length > 0) {
    const named = nameMoves(moves, root.generation);
    try {
      await withEvents(database, sealer, named.drafts, async (client, events) => {
        await assertLease(client, lease.name, lease.fence);
        const ids = events.map(({ id }) => id);
        await writeMoved(client, organisation, named.rows(ids));
      });
    } finally {
      // Also after an error: the answer of a COMMIT that was done may be what is missing.
      tree.forget(new Set(moves.map(({ custodian }) => custodian)));
    }
  }
  const rotated = moves.filter(({ key, ended }) => key.version !== ended.version).length;
  return { moved: moves.length, rotated, failed, next };
}

async function planAll(
  { database, root }: GenerationsDeps,
  custodians: readonly string[],
): Promise<{ moves: CustodianMove[]; failed: Moved['failed'] }> {
  const [{ keys, slots }, groups] = await Promise.all([
    readCustodianKeys(database.pool, custodians),
    readLiveGroups(database.pool, custodians),
  ]);
  const moves: CustodianMove[] = [];
  const failed: { custodian: CustodianId; code: string }[] = [];
  await Promise.all(
    custodians.map(async (custodian) => {
      const own = ({ owner }: { readonly owner: string }): boolean => owner === custodian;
      const rows = { keys: keys.filter(own), slots: slots.filter(own), groups: groups.filter(own) };
      try {
        moves.push(await planMove(root, { custodian, ...rows }));
      } catch (error) {
        // A token that is away says nothing about the custodian, a wrap that does not open does.
        if (!(error instanceof PostsealError) || error.retryable) throw error;
        failed.push({ custodian: custodian as CustodianId, code: error.code });
      }
    }),
  );
  return { moves, failed };
}

/** The events of a batch, and its rows once these have ids. */
function nameMoves(moves: readonly CustodianMove[], generation: number) {
  const drafts: EventDraft[] = [];
  /** By custodian: its first event; new group keys are named a hundred an event. */
  const first = new Map<string, number>();
  for (const move of moves) {
    first.set(move.custodian, drafts.length);
    const { custodian, newGroups, rehungGroups } = move;
    const others = [move.ended.keyId, move.key.keyId, ...move.slots.map(({ keyId }) => keyId)];
    const parts = Math.max(1, Math.ceil(newGroups.length / keysPerEvent));
    for (let i = 0; i < parts; i += 1) {
      const part = newGroups.slice(i * keysPerEvent, (i + 1) * keysPerEvent);
      const ids = new Set([...(i === 0 ? others : []), ...part.map(({ keyId }) => keyId)]);
      drafts.push({
        op: 'key.moved',
        outcome: 'success',
        actor: systemActor,
        objects: [
          { t: 'cus', id: custodian },
          ...[...ids].map((id) => ({ t: 'key', id }) as const),
        ],
        fields: { generation, replaced: part.length, kept: i === 0 ? rehungGroups.length : 0 },
      });
    }
  }
  const rows = (ids: readonly string[]): MovedRows => {
    const eventOf = (custodian: string, place = 0): string =>
      ids[(first.get(custodian) ?? 0) + Math.floor(place / keysPerEvent)] ?? '';
    const named = <R extends { readonly owner: string }>(list: readonly R[]) =>
      list.map((row) => ({ ...row, event: eventOf(row.owner) }));
    return {
      ended: named(moves.map(({ ended }) => ended)),
      keys: named(moves.map(({ key }) => key)),
      rehungGroups: named(moves.flatMap((move) => move.rehungGroups)),
      endedGroups: named(moves.flatMap((move) => move.endedGroups)),
      newGroups: moves.flatMap(({ newGroups }) =>
        newGroups.map((row, place) => ({ ...row, event: eventOf(row.owner, place) })),
      ),
      slots: named(moves.flatMap((move) => move.slots)),
    };
  };
  return { drafts, rows };
}
