// Moves every wrap of a group from its replaced key to the live one, in bounded batches, and ends the replaced
// key when nothing is left under it. The keys stay in the key service; a batch that was committed stays moved,
// so the work goes on behind it wherever it was ended.
import { PostsealError } from '../../kernel/errors.ts';
import type { OrganisationId } from '../../kernel/ids.ts';
import { type EventDraft, systemActor } from '../../ledger/event/draft.ts';
import type { EventSealer } from '../../ledger/event/event-sealer.ts';
import { withEvents } from '../../ledger/event/inbox.store.ts';
import type { Database } from '../../platform/postgres/database.ts';
import type { KeyClient } from '../../vault/keys/types.ts';
import { again, isConflict } from './again.ts';
import {
  destroyReplaced,
  type ReplacedGroup,
  type StaleWrap,
  type WrapTable,
  wrapTables,
} from './stale-wraps.store.ts';

export interface RewrapDeps {
  readonly database: Database;
  readonly keys: Pick<KeyClient, 'rewrap'>;
  readonly sealer: EventSealer;
  readonly organisation: OrganisationId;
}

export interface GroupOutcome {
  /** Wraps that were moved. */
  readonly moved: number;
  /** Wraps that do not open; a scrub names them, and the replaced key stays because of them. */
  readonly damaged: number;
  /** The replaced key is gone. */
  readonly ended: boolean;
}

/** A late writer may leave one more wrap behind a pass. */
const passesMax = 3;

/** `onBatch` is called between batches and may throw to end the work there. */
export async function rewrapGroup(
  deps: RewrapDeps,
  group: ReplacedGroup,
  onBatch: () => void,
): Promise<GroupOutcome> {
  let moved = 0;
  for (let pass = 1; pass <= passesMax; pass += 1) {
    const done = await moveAll(deps, group, onBatch);
    moved += done.moved;
    if (done.damaged > 0) return { ...done, moved, ended: false };
    if (await end(deps, group)) return { moved, damaged: 0, ended: true };
  }
  return { moved, damaged: 0, ended: false };
}

async function moveAll(
  deps: RewrapDeps,
  group: ReplacedGroup,
  onBatch: () => void,
): Promise<{ readonly moved: number; readonly damaged: number }> {
  let moved = 0;
  let damaged = 0;
  for (const table of wrapTables) {
    for (let after = table.start(group.group); ;) {
      const stale = await table.stale(deps.database.pool, group, after);
      const last = stale.at(-1);
      if (last === undefined) break;
      const { opened, fresh } = await rewrapEach(deps, group, stale);
      damaged += stale.length - opened.length;
      if (opened.length > 0) moved += await replace(deps, group, table, opened, fresh);
      after = last.place;
      onBatch();
    }
  }
  return { moved, damaged };
}

/** New wraps of those that open. One that does not fails the whole call, so they are then asked for one by one. */
async function rewrapEach(
  deps: RewrapDeps,
  group: ReplacedGroup,
  stale: readonly StaleWrap[],
): Promise<{ opened: readonly StaleWrap[]; fresh: readonly Buffer[] }> {
  try {
    const { custodian } = group;
    const fresh = await deps.keys.rewrap(
      stale.map(({ objectId, purpose, wrap }) => {
        const to = { custodian, group: group.group, purpose, objectId };
        return { from: { ...to, wrap }, to };
      }),
    );
    return { opened: stale, fresh };
  } catch (error) {
    if (!(error instanceof PostsealError) || error.retryable) throw error;
    if (stale.length === 1) return { opened: [], fresh: [] };
  }
  const opened: StaleWrap[] = [];
  const fresh: Buffer[] = [];
  for (const one of stale) {
    const answer = await rewrapEach(deps, group, [one]);
    opened.push(...answer.opened);
    fresh.push(...answer.fresh);
  }
  return { opened, fresh };
}

async function replace(
  deps: RewrapDeps,
  at: ReplacedGroup,
  table: WrapTable,
  stale: readonly StaleWrap[],
  fresh: readonly Buffer[],
): Promise<number> {
  const draft: EventDraft = {
    op: 'key.wraps-moved',
    outcome: 'success',
    actor: systemActor,
    objects: [{ t: 'cus', id: at.custodian, n: stale.length }],
    fields: { kind: table.purpose, group: at.group, version: at.live },
  };
  return again(() =>
    withEvents(deps.database, deps.sealer, [draft], async (client, [event]) => {
      if (event === undefined) throw new PostsealError('internal');
      return table.replace(client, at, stale, fresh, event.id);
    }),
  );
}

/** False if something is left under the replaced key; then nothing happened, and no event says that it did. */
async function end(deps: RewrapDeps, at: ReplacedGroup): Promise<boolean> {
  const draft: EventDraft = {
    op: 'key.group-ended',
    outcome: 'success',
    actor: systemActor,
    objects: [{ t: 'cus', id: at.custodian }],
    fields: { group: at.group, before: at.live },
  };
  try {
    await withEvents(deps.database, deps.sealer, [draft], async (client, [event]) => {
      if (event === undefined) throw new PostsealError('internal');
      if (await destroyReplaced(client, deps.organisation, at, event.id)) return;
      throw new PostsealError('store.conflict', { what: 'group-key' });
    });
    return true;
  } catch (error) {
    if (isConflict(error)) return false;
    throw error;
  }
}
