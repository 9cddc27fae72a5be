// The end of a retired key generation: a proof that everything opens without it, the end of the wraps under it,
// and at last its KEK in the token. Decided elsewhere (`kek_generation.destroying_at`, written with the approval);
// each step may be repeated, and what is missing after a crash is done at the next attempt.
import { PostsealError } from '../../kernel/errors.ts';
import type { CustodianId } from '../../kernel/ids.ts';
import { type EventDraft, systemActor } from '../../ledger/event/draft.ts';
import { withEvents } from '../../ledger/event/inbox.store.ts';
import { assertLease } from '../../platform/jobs/lease.store.ts';
import { requireUnused } from '../keys/generation-list.store.ts';
import type { GenerationStep, Proved } from '../keys/generation-steps.ts';
import { openChild } from './child-key.ts';
import {
  endCustodianWraps,
  endGeneration,
  endOrganisationWraps,
  readDestroying,
  requireUnneeded,
  selectCustodianWraps,
  selectOrganisationWraps,
} from './end-rows.store.ts';
import type { GenerationsDeps } from './generations.ts';
import { custodiansBehind, readLiveGroups } from './generation-rows.store.ts';
import {
  type ChildRow,
  type KekWrappedRow,
  readCustodianKeys,
  readOrganisationKeys,
  type SlotRow,
} from './key-rows.store.ts';
import { ParentKey, ParentKeys } from './parent-key.ts';

type StepOf<K extends GenerationStep['do']> = Extract<GenerationStep, { do: K }>;

/** Keys that one event names. */
const wrapsPerStep = 100;

/** Opens every live key of the next custodians with the live generation alone. */
export async function prove(
  deps: GenerationsDeps,
  { after, limit }: StepOf<'prove'>,
): Promise<Proved> {
  const { database, root, organisation } = deps;
  // What is proved is the live generation of the tables, not the one that this process remembers.
  await root.refresh();
  const custodians = await custodiansBehind(database.pool, { organisation, after, limit });
  const [{ keys, slots }, groups] = await Promise.all([
    readCustodianKeys(database.pool, custodians),
    readLiveGroups(database.pool, custodians),
  ]);
  const failed: { custodian: CustodianId; code: string }[] = [];
  await Promise.all(
    custodians.map(async (custodian) => {
      const own = ({ owner }: { readonly owner: string }): boolean => owner === custodian;
      const live = keys.filter((row) => own(row) && row.generation === root.generation);
      const below = [
        ...slots.filter((row) => own(row) && row.state === 'live'),
        ...groups.filter(own),
      ];
      const code = await failureOf(deps, live, below);
      if (code !== undefined) failed.push({ custodian: custodian as CustodianId, code });
    }),
  );
  const next = custodians.length < limit ? undefined : custodians.at(-1);
  return { proved: custodians.length - failed.length, failed, next };
}

async function failureOf(
  { root }: GenerationsDeps,
  live: readonly KekWrappedRow[],
  below: readonly (ChildRow & { readonly slot?: SlotRow['slot'] })[],
): Promise<string | undefined> {
  const [row] = live;
  if (row === undefined) return 'key.destroyed';
  try {
    const key = await root.unwrap('custodian-key', live);
    const { owner, keyId, version } = row;
    const parents = new ParentKeys([
      { key: new ParentKey(owner, keyId, version, key), live: true },
    ]);
    try {
      for (const one of below) {
        const opened = openChild(parents, one.slot ?? 'group-key', one);
        if (opened === undefined) return 'key.destroyed';
        opened.fill(0);
      }
    } finally {
      parents.destroy();
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof PostsealError) || error.retryable) throw error;
    return error.code;
  }
}

/** Ends the next wraps under a generation that is being destroyed; how many are left is told by `ended` alone. */
export async function bury(
  deps: GenerationsDeps,
  { generation, lease }: StepOf<'bury'>,
): Promise<{ readonly ended: number }> {
  const { database, organisation, sealer } = deps;
  await requireDecided(deps, generation);
  const at = { organisation, generation, limit: wrapsPerStep };
  const custodians = await selectCustodianWraps(database.pool, at);
  const own = custodians.length > 0 ? [] : await selectOrganisationWraps(database.pool, at);
  const rows = [...custodians, ...own];
  if (rows.length === 0) return { ended: 0 };
  const draft: EventDraft = {
    op: 'key.wraps-ended',
    outcome: 'success',
    actor: systemActor,
    objects: [
      { t: 'org', id: organisation },
      ...[...new Set(rows.map(({ keyId }) => keyId))].map((id) => ({ t: 'key', id }) as const),
    ],
    fields: { generation, wraps: rows.length },
  };
  await withEvents(database, sealer, [draft], async (client, [event]) => {
    if (event === undefined) throw new PostsealError('internal');
    await assertLease(client, lease.name, lease.fence);
    if (custodians.length > 0) {
      await requireUnneeded(client, generation, custodians);
      await endCustodianWraps(client, generation, custodians, event.id);
    } else {
      await requireUnused(client, organisation, generation);
      await endOrganisationWraps(client, generation, own, event.id);
    }
  });
  return { ended: rows.length };
}

/** Destroys the KEK in the token, and then says so. */
export async function destroy(
  deps: GenerationsDeps,
  { generation, lease }: StepOf<'destroy'>,
): Promise<object> {
  const { database, organisation, sealer, store, root, tree } = deps;
  const label = await requireDecided(deps, generation);
  if (label === undefined) return {};
  await root.refresh();
  await requireUnused(database.pool, organisation, generation);
  await requireDedup(deps);
  await store.destroyKek(label);
  const draft: EventDraft = {
    op: 'key.generation-destroyed',
    outcome: 'success',
    actor: systemActor,
    objects: [{ t: 'org', id: organisation }],
    fields: { generation, store: store.kind, tokenClass: store.tokenClass },
  };
  await withEvents(database, sealer, [draft], async (client, [event]) => {
    if (event === undefined) throw new PostsealError('internal');
    await assertLease(client, lease.name, lease.fence);
    await endGeneration(client, organisation, generation, event.id);
  });
  await root.refresh();
  tree.flush();
  return {};
}

/** The KEK's name; undefined if it is destroyed already. @throws PostsealError `key.refused` without a decision. */
async function requireDecided(
  { database, organisation }: GenerationsDeps,
  generation: number,
): Promise<string | undefined> {
  const row = await readDestroying(database.pool, organisation, generation);
  if (row?.state === 'destroyed') return undefined;
  if (row?.state !== 'retired' || !row.decided) {
    throw new PostsealError('key.refused', { reason: 'not-decided' });
  }
  return row.kekLabel;
}

async function requireDedup({ database, organisation, root }: GenerationsDeps): Promise<void> {
  const rows = await readOrganisationKeys(database.pool, organisation, 'dedup');
  const key = await root.unwrap(
    'dedup',
    rows.filter((row) => row.generation === root.generation),
  );
  key.fill(0);
}
