// A switch of key generations as a node drives it (docs/formats/key-hierarchy.md "Generations"): the next KEK,
// then custodian after custodian. All state is in the database, so it goes on wherever it was ended. No key
// passes through here.
import { PostsealError } from '../../kernel/errors.ts';
import type { OrganisationId } from '../../kernel/ids.ts';
import type { Actor } from '../../ledger/event/draft.ts';
import type { Log } from '../../platform/log/log.ts';
import type { Database } from '../../platform/postgres/database.ts';
import { firstCustodian, type Moved } from '../../vault/keys/generation-steps.ts';
import { liveGeneration } from '../../vault/keys/generation-list.store.ts';
import type { KeyClient } from '../../vault/keys/types.ts';
import type { Committer } from '../committer/types.ts';
import { type HeldLease, underSwitchLease } from './switch-lease.ts';

export interface KeySwitchDeps {
  readonly database: Database;
  readonly keys: Pick<KeyClient, 'generation'>;
  readonly committer: Pick<Committer, 'record'>;
  readonly organisation: OrganisationId;
  readonly log: Log;
}

export interface Rotated {
  /** The live one now. */
  readonly generation: number;
  /** Custodians with a marked group, who have new keys. */
  readonly rotated: number;
  /** Custodians whose keys do not open; a scrub names them. */
  readonly failed: number;
}

/** Custodians of one step: the key service answers nobody's cold keys meanwhile, and a token may be slow. */
const custodiansPerStep = 16;
const conflictsMax = 8;

/**
 * Makes the next generation and gives custodians with a marked group their new keys; all others follow by
 * `rewrap`. @throws PostsealError `key.switch-busy`, `key.token`, `key.unavailable`; the ledger has the failure.
 */
export async function rotateKeys(deps: KeySwitchDeps, actor: Actor): Promise<Rotated> {
  return underSwitchLease(deps, async (lease) => {
    const from = await liveGeneration(deps.database.pool, deps.organisation);
    const objects = [{ t: 'org', id: deps.organisation }] as const;
    const order = await deps.committer.record({
      op: 'key.rotation-ordered',
      outcome: 'success',
      actor,
      objects,
      fields: { from },
    });
    const ended = { op: 'key.rotation-ended', actor, objects } as const;
    try {
      const { generation } = await deps.keys.generation({ do: 'begin', from, order });
      const { rotated, failed } = await moveCustodians(deps, lease, { marked: true });
      const outcome = failed === 0 ? 'success' : 'failure';
      const fields = { generation, rotated, failed };
      await deps.committer.record({ ...ended, outcome, fields });
      return fields;
    } catch (error) {
      const code = error instanceof PostsealError ? error.code : 'internal';
      await deps.committer.record({ ...ended, outcome: 'failure', fields: { from, code } });
      throw error;
    }
  });
}

export interface MoveOptions {
  /** Only those with a marked group. */
  readonly marked: boolean;
  /** Told after every step how many were moved by it; may throw to end the work there. */
  readonly onMoved?: (moved: number) => void;
}

/** Moves custodians under the live generation until none is left; counts what happened. */
export async function moveCustodians(
  { keys }: Pick<KeySwitchDeps, 'keys'>,
  lease: HeldLease,
  { marked, onMoved }: MoveOptions,
): Promise<{ moved: number; rotated: number; failed: number }> {
  const sum = { moved: 0, rotated: 0, failed: 0 };
  let after: string | undefined = firstCustodian;
  while (after !== undefined) {
    const step = { after, limit: custodiansPerStep, marked };
    const answer: Moved = await again(() =>
      keys.generation({ do: 'move', ...step, lease: lease() }),
    );
    sum.moved += answer.moved;
    sum.rotated += answer.rotated;
    sum.failed += answer.failed.length;
    onMoved?.(answer.moved);
    after = answer.next;
  }
  return sum;
}

/** A shred or a new group between reading and writing makes a step a conflict; nothing of it happened. */
async function again<T>(step: () => Promise<T>): Promise<T> {
  for (let conflicts = 0; ; conflicts += 1) {
    try {
      return await step();
    } catch (error) {
      const conflict = error instanceof PostsealError && error.code === 'store.conflict';
      if (!conflict || conflicts === conflictsMax) throw error;
    }
  }
}
