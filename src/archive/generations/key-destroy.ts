// The destruction of a retired key generation (docs/formats/key-hierarchy.md "Generations"): refused while
// anything hangs under it or its time is not over; proved first, decided in one transaction with the approval,
// and then carried out, also after a crash, without a second decision.
import type pg from 'pg';
import { PostsealError } from '../../kernel/errors.ts';
import type { EventId } from '../../kernel/ids.ts';
import type { Actor, EventDraft } from '../../ledger/event/draft.ts';
import { withEvents } from '../../ledger/event/inbox.store.ts';
import {
  beginDestruction,
  listGenerations,
  requireUnused,
} from '../../vault/keys/generation-list.store.ts';
import { firstCustodian, type Proved } from '../../vault/keys/generation-steps.ts';
import type { KeySwitchDeps } from './key-switch.ts';
import { sampleWraps } from './sample-wraps.store.ts';
import { type SwitchLease, takeSwitchLease } from './switch-lease.ts';

export interface Destruction {
  readonly generation: number;
  /** Days after its retirement in which it stays, by the database's clock. */
  readonly graceDays: number;
  readonly actor: Actor;
  /** Goes with the decision; undefined where it was decided before and is carried on. */
  readonly approval?: {
    readonly used: EventDraft;
    use(client: pg.ClientBase, event: EventId): Promise<void>;
  };
}

export interface Destroyed {
  readonly generation: number;
  /** Custodians of whom every key was opened without it. */
  readonly proved: number;
}

const custodiansPerStep = 16;

/**
 * @throws PostsealError `key.still-needed`, `key.grace`, `backup.key-state` (and what hinders the backup), `key.switch-busy`, `approval.state`, `key.token`,
 * `key.unavailable`; nothing was destroyed unless the ledger says so.
 */
export async function destroyGeneration(
  deps: KeySwitchDeps,
  asked: Destruction,
): Promise<Destroyed> {
  const lease = await takeSwitchLease(deps);
  const { generation, actor } = asked;
  const objects = [{ t: 'org', id: deps.organisation }] as const;
  try {
    const decided = await isDecided(deps, generation);
    if (!decided) await requireUnused(deps.database.pool, deps.organisation, generation);
    const proved = await proveAll(deps);
    // Old backups end with the generation: what takes their place must be there before, also when it goes on.
    await deps.beforeDestruction?.();
    if (!decided) await decide(deps, asked);
    await carryOut(deps, lease, generation);
    return { generation, proved };
  } catch (error) {
    const code = error instanceof PostsealError ? error.code : 'internal';
    const about = { op: 'key.destruction-failed', outcome: 'failure', actor, objects } as const;
    await deps.committer.record({ ...about, fields: { generation, code } });
    throw error;
  } finally {
    await lease.stop();
  }
}

/** @throws PostsealError `key.still-needed` for a generation that is not retired. */
async function isDecided({ database, organisation }: KeySwitchDeps, generation: number) {
  const all = await listGenerations(database.pool, organisation);
  const found = all.find((one) => one.generation === generation);
  if (found?.state !== 'retired') {
    throw new PostsealError('key.still-needed', { generation, state: found?.state ?? 'unknown' });
  }
  return found.destroyingAt !== null;
}

async function decide(deps: KeySwitchDeps, asked: Destruction): Promise<void> {
  const { generation, graceDays, actor, approval } = asked;
  if (approval === undefined) throw new PostsealError('approval.unknown');
  const draft: EventDraft = {
    op: 'key.destruction-decided',
    outcome: 'success',
    actor,
    objects: [{ t: 'org', id: deps.organisation }, ...approval.used.objects],
    fields: { generation, graceDays },
  };
  const drafts = [draft, approval.used];
  await withEvents(deps.database, deps.sealer, drafts, async (client, [event, used]) => {
    if (event === undefined || used === undefined) throw new PostsealError('internal');
    await approval.use(client, used.id);
    await requireUnused(client, deps.organisation, generation);
    const at = { organisation: deps.organisation, generation, graceDays };
    await beginDestruction(client, at, event.id);
  });
}

async function carryOut(
  deps: KeySwitchDeps,
  lease: SwitchLease,
  generation: number,
): Promise<void> {
  for (let ended = 1; ended > 0;) {
    const step = { do: 'bury', generation, lease: lease.current() } as const;
    ({ ended } = await deps.keys.generation(step));
  }
  await deps.keys.generation({ do: 'destroy', generation, lease: lease.current() });
}

/** Every live key, and a wrap of each custodian. @throws PostsealError `key.still-needed`. */
async function proveAll({ keys, database }: KeySwitchDeps): Promise<number> {
  let proved = 0;
  for (let after: string | undefined = firstCustodian; after !== undefined;) {
    const from: string = after;
    const step = { do: 'prove', after: from, limit: custodiansPerStep } as const;
    const answer: Proved = await keys.generation(step);
    const [first] = answer.failed;
    if (first !== undefined) throw new PostsealError('key.still-needed', { ...first });
    proved += answer.proved;
    after = answer.next;
  }
  for (let after: string | undefined = firstCustodian; after !== undefined;) {
    const { wraps, next } = await sampleWraps(database.pool, after);
    // From the tables, as after a restart: what is in memory may have been opened by the generation that ends.
    await keys.generation({ do: 'forget', custodians: wraps.map(({ custodian }) => custodian) });
    // Wrapped once more in its own slot and dropped: the key service has opened it, and no key has left it.
    await keys.rewrap(
      wraps.map(({ custodian, group, contentId, wrap }) => {
        const to = { custodian, group, purpose: 'dek', objectId: contentId } as const;
        return { from: { ...to, wrap }, to };
      }),
    );
    after = next;
  }
  return proved;
}
