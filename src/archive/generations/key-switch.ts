// A switch of key generations as a node drives it (docs/formats/key-hierarchy.md "Generations"): the next KEK,
// custodian after custodian, then the wraps of replaced group keys. All state is in the database, so it goes on
// wherever it was ended. No key passes through here.
import { PostsealError } from '../../kernel/errors.ts';
import type { OrganisationId } from '../../kernel/ids.ts';
import type { Actor } from '../../ledger/event/draft.ts';
import type { EventSealer } from '../../ledger/event/event-sealer.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { custodiansToMove, liveGeneration } from '../../vault/keys/generation-list.store.ts';
import { firstCustodian, type Moved } from '../../vault/keys/generation-steps.ts';
import type { KeyClient } from '../../vault/keys/types.ts';
import type { Committer } from '../committer/types.ts';
import { again } from './again.ts';
import { rewrapGroup } from './rewrap-group.ts';
import { replacedGroupCount, replacedGroups } from './stale-wraps.store.ts';
import { type SwitchLease, type SwitchLeaseDeps, takeSwitchLease } from './switch-lease.ts';

export interface KeySwitchDeps extends SwitchLeaseDeps {
  readonly database: Database;
  readonly keys: Pick<KeyClient, 'generation' | 'rewrap'>;
  readonly committer: Pick<Committer, 'record'>;
  readonly sealer: EventSealer;
  readonly organisation: OrganisationId;
  /**
   * What must be safe outside before a generation is destroyed (docs/formats/key-state.md); what it throws keeps
   * the generation. Undefined without a target for backups.
   */
  readonly beforeDestruction?: (() => Promise<void>) | undefined;
}

export interface Rotated {
  /** The live one now. */
  readonly generation: number;
  /** Custodians with a marked group, who have new keys. */
  readonly rotated: number;
  /** Custodians whose keys do not open; a scrub names them. */
  readonly failed: number;
}

export interface Rewrapped extends Rotated {
  /** Custodians who were moved under the live generation, those with new keys included. */
  readonly custodians: number;
  /** Groups whose replaced key is gone now. */
  readonly groups: number;
  /** Wraps that were moved to a live group key. */
  readonly wraps: number;
}

export type RewrapLine =
  | { readonly phase: 'custodians' | 'groups'; readonly done: number; readonly total: number }
  | { readonly done: Rewrapped };

/** Custodians of one step: the key service answers nobody's cold keys meanwhile, and a token may be slow. */
const custodiansPerStep = 16;

/**
 * Makes the next generation and gives custodians with a marked group their new keys; all others follow by
 * `rewrapKeys`. @throws PostsealError `key.switch-busy`, `key.token`, `key.unavailable`; the ledger has the failure.
 */
export async function rotateKeys(deps: KeySwitchDeps, actor: Actor): Promise<Rotated> {
  const lease = await takeSwitchLease(deps);
  try {
    const from = await liveGeneration(deps.database.pool, deps.organisation);
    const objects = [{ t: 'org', id: deps.organisation }] as const;
    const about = { op: 'key.rotation-ordered', outcome: 'success', actor, objects } as const;
    const order = await deps.committer.record({ ...about, fields: { from } });
    return await recordRotation(deps, actor, async () => {
      const { generation } = await deps.keys.generation({ do: 'begin', from, order });
      const sum = { generation, rotated: 0, failed: 0 };
      for await (const step of moveCustodians(deps, lease, true)) {
        sum.rotated += step.rotated;
        sum.failed += step.failed;
      }
      return sum;
    });
  } finally {
    await lease.stop();
  }
}

/**
 * Moves all that is left under the live generation; yields how far it is and at last what was done. Whoever
 * stops asking ends it there, and the next run goes on. @throws PostsealError `key.switch-busy`, `key.unavailable`.
 */
export async function* rewrapKeys(deps: KeySwitchDeps, actor: Actor): AsyncGenerator<RewrapLine> {
  const lease = await takeSwitchLease(deps);
  let sum: Rewrapped = { ...nothingDone, generation: 0 };
  let code: string | undefined = 'ended-early';
  try {
    sum = { ...sum, generation: await liveGeneration(deps.database.pool, deps.organisation) };
    for await (const { line, done } of rewrapAll(deps, lease, sum)) {
      sum = done;
      yield line;
    }
    code = undefined;
    yield { done: sum };
  } catch (error) {
    code = error instanceof PostsealError ? error.code : 'internal';
    throw error;
  } finally {
    try {
      await recordRewrap(deps, actor, sum, code);
    } finally {
      // Also where the ledger does not answer: a lease that is kept would be renewed as long as the process lives.
      await lease.stop();
    }
  }
}

const nothingDone = { custodians: 0, rotated: 0, groups: 0, wraps: 0, failed: 0 };

/** A run that found nothing to do, of which there is one an hour, is no event. */
async function recordRewrap(
  { committer, organisation }: KeySwitchDeps,
  actor: Actor,
  sum: Rewrapped,
  code: string | undefined,
): Promise<void> {
  const idle = sum.custodians + sum.groups + sum.wraps + sum.failed === 0;
  if (idle && code === undefined) return;
  await committer.record({
    op: 'key.rewrap-ended',
    outcome: code === undefined && sum.failed === 0 ? 'success' : 'failure',
    actor,
    objects: [{ t: 'org', id: organisation }],
    fields: { ...sum, ...(code === undefined ? {} : { code }) },
  });
}

interface RewrapStep {
  readonly line: RewrapLine;
  /** Up to here. */
  readonly done: Rewrapped;
}

async function* rewrapAll(
  deps: KeySwitchDeps,
  lease: SwitchLease,
  begun: Rewrapped,
): AsyncGenerator<RewrapStep> {
  const { pool } = deps.database;
  let sum = begun;
  const custodians = await custodiansToMove(pool, deps.organisation);
  for await (const { moved, rotated, failed } of moveCustodians(deps, lease, false)) {
    sum = {
      ...sum,
      custodians: sum.custodians + moved,
      rotated: sum.rotated + rotated,
      failed: sum.failed + failed,
    };
    const total = Math.max(custodians, sum.custodians);
    yield { line: { phase: 'custodians', done: sum.custodians, total }, done: sum };
  }
  const groups = await replacedGroupCount(pool);
  let seen = 0;
  for await (const { moved, ended } of rewrapGroups(deps, lease)) {
    seen += 1;
    sum = {
      ...sum,
      wraps: sum.wraps + moved,
      groups: sum.groups + (ended ? 1 : 0),
      failed: sum.failed + (ended ? 0 : 1),
    };
    const total = Math.max(groups, seen);
    yield { line: { phase: 'groups', done: seen, total }, done: sum };
  }
}

/** Records how the order ended, in success or in failure. */
async function recordRotation(
  { committer, organisation }: KeySwitchDeps,
  actor: Actor,
  work: () => Promise<Rotated>,
): Promise<Rotated> {
  const objects = [{ t: 'org', id: organisation }] as const;
  const about = { op: 'key.rotation-ended', actor, objects } as const;
  try {
    const result = await work();
    const outcome = result.failed === 0 ? 'success' : 'failure';
    await committer.record({ ...about, outcome, fields: { ...result } });
    return result;
  } catch (error) {
    const code = error instanceof PostsealError ? error.code : 'internal';
    await committer.record({ ...about, outcome: 'failure', fields: { code } });
    throw error;
  }
}

async function* moveCustodians(
  { keys }: KeySwitchDeps,
  lease: SwitchLease,
  marked: boolean,
): AsyncGenerator<{ moved: number; rotated: number; failed: number }> {
  let after: string | undefined = firstCustodian;
  while (after !== undefined) {
    const step = { do: 'move', limit: custodiansPerStep, marked } as const;
    const from: string = after;
    const answer: Moved = await again(() =>
      keys.generation({ ...step, after: from, lease: lease.current() }),
    );
    yield { moved: answer.moved, rotated: answer.rotated, failed: answer.failed.length };
    after = answer.next;
  }
}

async function* rewrapGroups(
  deps: KeySwitchDeps,
  lease: SwitchLease,
): AsyncGenerator<{ moved: number; ended: boolean }> {
  for (let after: readonly [string, number] = [firstCustodian, -1]; ;) {
    const groups = await replacedGroups(deps.database.pool, after);
    const last = groups.at(-1);
    if (last === undefined) return;
    const custodians = [...new Set(groups.map(({ custodian }) => custodian))];
    // A key service that did not see the switch would take the replaced key for the live one.
    await deps.keys.generation({ do: 'forget', custodians });
    for (const group of groups) yield await rewrapGroup(deps, group, () => void lease.current());
    // What ended is in no memory either before it counts as gone.
    await deps.keys.generation({ do: 'forget', custodians });
    after = [last.custodian, last.group];
  }
}
